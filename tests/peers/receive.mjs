// The official Fintoc SDK for JavaScript on both sides: what it signs comes in, what Posthaste signs it verifies.
//
// Usage: receive.mjs URL KEY PACKAGES. The last line is `javascript: N deliveries verified`.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createRequire } from "node:module";
import { receive } from "./receiver.mjs";

const [url, key, packages] = process.argv.slice(2);
const { WebhookSignature } = createRequire(`${packages}/`)("fintoc");
const SECRET = "whsec_3o9rZ4xKbT1VcJzuDgpm4H";

const receiver = await receive();

async function call(method, path, body) {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const answer = await fetch(url + path, { method, headers, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
}

const app = await call("POST", "/api/v1/app", { name: "as fintoc", provider: "fintoc" });
const endpoint = await call("POST", `/api/v1/app/${app.id}/endpoint`, { url: `${receiver.url}/` });
const { key: secret } = await call("GET", `/api/v1/app/${app.id}/endpoint/${endpoint.id}/secret`);
await call("POST", `/api/v1/app/${app.id}/msg`, { eventType: "refund.succeeded", payload: { note: "ñandú" } });
const [{ headers, body }] = await receiver.waitFor("/", 1);
WebhookSignature.verifyHeader(body, headers["fintoc-signature"], secret);
assert.throws(() => WebhookSignature.verifyHeader(`${body} `, headers["fintoc-signature"], secret));

const source = await call("POST", "/ingest/api/v1/source", { name: "in", type: "fintoc", config: { secret: SECRET } });
const t = Math.floor(Date.now() / 1000);
const v1 = createHmac("sha256", SECRET).update(`${t}.${body}`).digest("hex");
const proof = `t=${t},v1=${v1}`;
WebhookSignature.verifyHeader(body, proof, SECRET);
const post = (signature) => fetch(source.ingestUrl, { method: "POST", headers: { "fintoc-signature": signature }, body });
assert.equal((await post(proof)).status, 200);
assert.equal((await post(proof.replace(`t=${t}`, `t=${t + 1}`))).status, 401);
const { data } = await call("GET", `/api/v1/app/${source.id}/msg`);
assert.equal(data[0].eventType, "refund.succeeded");

console.log(`javascript: ${receiver.deliveries.length} deliveries verified`);
receiver.close();
