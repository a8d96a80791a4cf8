// The official Fintoc SDK for JavaScript, unmodified, asks the sandbox as it would ask Fintoc.
//
// Usage: sandbox.mjs URL PACKAGES. The last line is `javascript: N deliveries verified`.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { receive } from "./receiver.mjs";

const [url, packages] = process.argv.slice(2);
const { Fintoc, WebhookSignature } = createRequire(`${packages}/`)("fintoc");
const KEY = "sk_test_of_the_javascript_sdk";
const OUTCOMES = ["succeeded", "failed", "rejected"];

const receiver = await receive();

async function control(path, body) {
  const headers = { authorization: KEY, "content-type": "application/json" };
  const answer = await fetch(`${url}/fintoc/sandbox${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
  return answer.json();
}

const client = new Fintoc(KEY);
client.webhookEndpoints._client.baseUrl = `${url}/fintoc`;

const endpoint = await client.webhookEndpoints.create({
  url: `${receiver.url}/`,
  enabled_events: OUTCOMES.map((outcome) => `account.refresh_intent.${outcome}`),
});
assert.match(endpoint.secret, /^whsec_/);
assert.equal((await client.webhookEndpoints.get(endpoint.id)).secret, null);

const link = await control("/links", { outcomes: OUTCOMES });
const intent = await client.refreshIntents.create({ link_token: link.link_token, refresh_type: "only_last" });
assert.equal(intent.status, "created");
await assert.rejects(client.refreshIntents.create({ link_token: link.link_token }), /in_progress|in progress/);
await receiver.waitFor("/", 3);
const outcomes = new Map();
for (const { headers, body } of receiver.deliveries) {
  WebhookSignature.verifyHeader(body, headers["fintoc-signature"], endpoint.secret);
  const { data } = JSON.parse(body);
  outcomes.set(data.refreshed_object_id, data.status);
}
assert.deepEqual(link.accounts.map(({ id }) => outcomes.get(id)), OUTCOMES);

const payment = await client.paymentIntents.create({ amount: 900, currency: "MXN" });
await control(`/payment_intents/${payment.id}/rejected`, {});
assert.equal((await client.paymentIntents.get(payment.id)).status, "rejected");
console.log(`javascript: ${receiver.deliveries.length} deliveries verified`);
receiver.close();
process.exit(0);
