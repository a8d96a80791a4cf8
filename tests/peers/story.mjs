// The official JavaScript SDK, unmodified, goes through what it asks of Posthaste, and an older client's words too.
//
// Usage: story.mjs URL KEY PACKAGES. Its receiver is in this process; `standardwebhooks` verifies every delivery it got.
// The last line is `javascript: N deliveries verified`; anything unexpected is an exception.

import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { eventually, receive } from "./receiver.mjs";

const [url, key, packages] = process.argv.slice(2);
const installed = createRequire(`${packages}/`);
const load = (name) => import(pathToFileURL(installed.resolve(name)));
globalThis.crypto ??= webcrypto; // Node 18 has it without its name
const { ApiException, MessageStatus, Ordering, Svix, Webhook: SvixWebhook } = await load("svix");
const { Webhook } = await load("standardwebhooks");

/** The SDK's own exception with this status; every 4xx body must be JSON for it. */
async function refused(status, call) {
  const error = await call().then(() => assert.fail(`${status} expected`), (error) => error);
  assert.ok(error instanceof ApiException, error);
  assert.equal(error.code, status);
  return error.body;
}

async function applications(svix) {
  const app = await svix.application.create({ name: "Acme", uid: "acme-js", metadata: { plan: "gold" } });
  assert.deepEqual(await svix.application.getOrCreate({ name: "Other", uid: "acme-js" }), app);
  assert.deepEqual(await svix.application.get("acme-js"), app);
  assert.ok(app.createdAt instanceof Date && app.metadata.plan === "gold");
  assert.equal((await refused(409, () => svix.application.create({ name: "Acme", uid: "acme-js" }))).code, "conflict");
  return app;
}

async function eventTypes(svix) {
  const schemas = { 1: { type: "object", examples: [{ amount: 42 }] } };
  const created = await svix.eventType.create({ name: "refund.succeeded", description: "Money went", schemas });
  assert.deepEqual(created.schemas, schemas);
  await svix.eventType.create({ name: "refund.failed", description: "It did not" });
  assert.equal((await refused(409, () => svix.eventType.create({ name: "refund.failed", description: "" }))).code, "conflict");
  const names = (await svix.eventType.list({ order: Ordering.Descending })).data.map((eventType) => eventType.name);
  assert.deepEqual(names, ["refund.succeeded", "refund.failed"]);
}

async function endpoints(svix, app, receiver) {
  const all = await svix.endpoint.create(app.id, { url: `${receiver.url}/all`, uid: "all", headers: { "X-Team": "blue" } });
  const failed = await svix.endpoint.create(app.id, { url: `${receiver.url}/failed`, eventTypes: ["refund.failed"] });
  assert.deepEqual(failed.eventTypes, ["refund.failed"]);
  assert.deepEqual(await svix.endpoint.get(app.id, "all"), all);
  assert.equal((await svix.endpoint.patch(app.id, failed.id, { description: "failures" })).description, "failures");
  const unknown = await refused(422, () => svix.endpoint.create(app.id, { url: receiver.url, eventTypes: ["nobody.knows"] }));
  assert.deepEqual(unknown.detail[0].loc, ["body", "eventTypes"]);
  const secret = await refused(422, () => svix.endpoint.create(app.id, { url: receiver.url, secret: "whsec_short" }));
  assert.deepEqual(secret.detail[0].loc, ["body", "secret"]);
  await svix.endpoint.setHeaders(app.id, all.id, { headers: { "X-Team": "red", "X-Api-Key": "k" } });
  await svix.endpoint.patchHeaders(app.id, all.id, { headers: { "X-More": "1" }, deleteHeaders: ["X-Team"] });
  assert.deepEqual(await svix.endpoint.getHeaders(app.id, all.id), { headers: { "X-More": "1" }, sensitive: ["X-Api-Key"] });
  return { all, failed };
}

/** What SDKs before 2.0 and `svix-react` send: `filterTypes`, and in a new endpoint `[]` for all. */
async function olderClient(svix, app, receiver) {
  const path = `${url}/api/v1/app/${app.id}/endpoint`;
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const post = (body) => fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  const typed = await (await post({ url: `${receiver.url}/older`, version: 1, filterTypes: ["refund.failed"] })).json();
  assert.deepEqual([typed.filterTypes, typed.version], [["refund.failed"], 1]);
  const patch = (body) => fetch(`${path}/${typed.id}`, { method: "PATCH", headers, body: JSON.stringify(body) });
  assert.equal((await patch({ filterTypes: [] })).status, 422, "it would get everything");
  assert.equal((await (await patch({ filterTypes: null })).json()).filterTypes, null);
  const every = await (await post({ url: `${receiver.url}/every`, disabled: true, filterTypes: [] })).json();
  assert.equal(every.filterTypes, null);
  for (const { id } of [typed, every]) await svix.endpoint.delete(app.id, id);
}

async function events(svix, app, receiver) {
  const first = { eventType: "refund.succeeded", eventId: "order-1", payload: { amount: "1.10", é: "\u2028" } };
  const keyed = { idempotencyKey: "k-1" };
  const published = await svix.message.create(app.id, first, keyed);
  assert.deepEqual(await svix.message.create(app.id, first, keyed), published);
  assert.equal(published.eventId, "order-1");
  assert.equal((await refused(409, () => svix.message.create(app.id, first))).code, "conflict");
  const other = { eventType: "refund.succeeded", payload: {} };
  assert.equal((await refused(409, () => svix.message.create(app.id, other, keyed))).code, "conflict");
  const second = { eventType: "refund.failed", payload: { n: 2 }, channels: ["eu"] };
  assert.deepEqual((await svix.message.create(app.id, second, { withContent: true })).payload, { n: 2 });
  const bodies = (await receiver.waitFor("/all", 2)).map((delivery) => delivery.body);
  assert.deepEqual(bodies.sort(), [JSON.stringify(first.payload), JSON.stringify(second.payload)].sort());
  assert.equal((await receiver.waitFor("/failed", 1))[0].body, '{"n":2}');
  assert.deepEqual((await svix.message.get(app.id, "order-1", { withContent: true })).payload, first.payload);
  return published;
}

async function attempts(svix, app, all, event, receiver) {
  const full = { withContent: true };
  const byEvent = async (options) => (await svix.messageAttempt.listByMsg(app.id, event.id, { ...full, ...options })).data;
  const [attempt] = await eventually(async () => (await byEvent()).length > 0 && byEvent());
  assert.deepEqual([attempt.status, attempt.responseStatusCode, attempt.response], [MessageStatus.Success, 200, "thank you"]);
  assert.deepEqual([attempt.msgId, attempt.endpointId, attempt.url], [event.id, all.id, `${receiver.url}/all`]);
  assert.deepEqual(await svix.messageAttempt.get(app.id, event.id, attempt.id), attempt);
  assert.deepEqual(await byEvent({ status: MessageStatus.Fail }), []);
  const ofEndpoint = await svix.messageAttempt.listByEndpoint(app.id, all.id, { ...full, eventTypes: ["refund.succeeded"] });
  assert.deepEqual(ofEndpoint.data, [attempt]);
  await svix.messageAttempt.resend(app.id, event.id, all.id);
  assert.equal((await receiver.waitFor("/all", 3))[2].headers["webhook-id"], event.id);
  const both = await eventually(async () => (await byEvent()).length === 2 && byEvent());
  assert.deepEqual(both.map((attempt) => attempt.triggerType), [1, 0]);
}

/** Where deliveries stand, by endpoint and by event, and what they came to. */
async function standing(svix, app, all, event) {
  const listed = async (options) => (await svix.messageAttempt.listAttemptedMessages(app.id, all.id, options)).data;
  const rows = await eventually(async () => (await listed({ status: MessageStatus.Success })).length === 2 && listed());
  assert.ok(rows.some((row) => row.id === event.id) && rows[0].statusText === "success");
  const destinations = (await svix.messageAttempt.listAttemptedDestinations(app.id, event.id)).data;
  assert.deepEqual(destinations.map((row) => row.id), [all.id]);
  const stats = await eventually(async () => {
    const stats = await svix.endpoint.getStats(app.id, all.id);
    return stats.pending === 0 && stats;
  });
  assert.equal(stats.success, 2);
  const [since, until] = [new Date(Date.now() - 86_400_000), new Date()];
  const usage = await svix.statistics.aggregateAppStats({ since, until, appIds: [app.uid, "nobody"] });
  assert.deepEqual(usage.unresolvedAppIds, ["nobody"]);
  assert.equal((await svix.statistics.aggregateEventTypes()).task, "event-type.aggregate");
}

/** What PUT and PATCH make of applications, event types and endpoints. */
async function upserts(svix, app, receiver) {
  const made = await svix.application.upsert("put-js", { name: "One", throttleRate: 9 });
  assert.deepEqual([made.uid, made.throttleRate], ["put-js", 9]);
  assert.equal((await svix.application.patch("put-js", { throttleRate: null })).throttleRate, null);
  await svix.application.delete("put-js");
  const eventType = await svix.eventType.upsert("refund.made", { description: "Later", featureFlags: ["beta"] });
  assert.deepEqual(eventType.featureFlags, ["beta"]);
  assert.ok((await svix.eventType.patch("refund.made", { deprecated: true })).deprecated);
  await svix.eventType.delete("refund.made", { expunge: true });
  const put = { url: `${receiver.url}/put`, channels: ["nowhere"] };
  const endpoint = await svix.endpoint.upsert(app.id, "put", { ...put, description: "put" });
  const again = await svix.endpoint.upsert(app.id, "put", put);
  assert.deepEqual([endpoint.uid, again.id, again.uid], ["put", endpoint.id, null], "a uid that is not given is gone");
  await svix.endpoint.delete(app.id, endpoint.id);
  const spec = { openapi: "3.1.0", webhooks: { "import.made": { post: { description: "Imported" } } } };
  assert.deepEqual((await svix.eventType.importOpenapi({ spec, dryRun: true })).data.modified, ["import.made"]);
  const exported = await svix.environment.export();
  await svix.environment.import({ eventTypes: exported.eventTypes, settings: exported.settings });
}

/** A token of the application, what it sees, and how it ends. */
async function access(svix, app) {
  const { url: link, token } = await svix.authentication.appPortalAccess(app.id, { readOnly: true, expiry: 3_600 });
  assert.equal(link, `${url}/portal#key=${token}`);
  const bearer = new Svix(token, { serverUrl: url });
  assert.equal((await bearer.application.get(app.id)).uid, app.uid);
  assert.equal((await refused(403, () => bearer.endpoint.create(app.id, { url }))).code, "insufficient access");
  await svix.authentication.expireAll(app.id, {});
  assert.equal((await refused(401, () => bearer.application.get(app.id))).code, "authentication_failed");
}

/** What happens to endpoints is told; gives the secret that it is signed with. */
async function operational(svix, app, receiver) {
  const hearers = svix.operationalWebhook.endpoint;
  const hearer = await hearers.create({ url: `${receiver.url}/ops`, uid: "ops", eventTypes: ["endpoint.created"] });
  assert.deepEqual((await hearers.list()).data, [hearer]);
  const secret = (await hearers.getSecret("ops")).key;
  await svix.endpoint.create(app.id, { url: `${receiver.url}/new`, uid: "new", channels: ["nowhere"] });
  const [delivery] = await receiver.waitFor("/ops", 1);
  assert.equal(JSON.parse(delivery.body).data.appUid, app.uid);
  await svix.endpoint.delete(app.id, "new");
  await hearers.delete("ops");
  return secret;
}

/** What is expunged is shown nowhere; what is not served says so. */
async function erased(svix, app, event) {
  assert.ok((await svix.message.precheck(app.id, { eventType: "any.thing" })).active);
  const [attempt] = (await svix.messageAttempt.listByMsg(app.id, event.id)).data;
  await svix.messageAttempt.expungeContent(app.id, event.id, attempt.id);
  assert.equal((await svix.messageAttempt.get(app.id, event.id, attempt.id)).response, "EXPUNGED");
  await svix.message.expungeContent(app.id, event.id);
  assert.deepEqual((await svix.message.get(app.id, event.id, { withContent: true })).payload, { expired: true });
  assert.deepEqual((await svix.message.bulkExpungeContent(app.id, { ids: ["nobody"] })).results, { nobody: "not-found" });
  const erased = await svix.message.expungeAllContents(app.id);
  const tasks = async (how) => (await svix.backgroundTask.list(how)).data.map((task) => task.id);
  assert.equal((await tasks({ task: "application.purge_content" }))[0], erased.id);
  assert.deepEqual(await tasks({ task: "sdk.generate" }), []);
  const once = new Svix(key, { serverUrl: url, retryScheduleInMs: [] });
  const unserved = await refused(501, () => once.integration.list(app.id)); // the SDK leaves it as text
  assert.equal(JSON.parse(unserved).code, "not_implemented");
}

/** Sources of types that no SDK knows are listed beside those that it knows, and stay what they are. */
async function sources(svix) {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const raw = async (method, path, body) => (await fetch(url + path, { method, headers, body: body && JSON.stringify(body) })).json();
  const kinds = ["fintoc", "bridge", "finix", "standard-webhooks"];
  for (const kind of kinds) {
    const made = await raw("POST", "/ingest/api/v1/source", { name: kind, uid: kind, type: kind, config: { toleranceSeconds: 60 } });
    const read = await svix.ingest.source.get(made.id);
    assert.equal((await svix.ingest.source.upsert(made.id, { ...read, name: `${kind} too` })).name, `${kind} too`);
    const now = await raw("GET", `/ingest/api/v1/source/${kind}`);
    assert.deepEqual([now.provider, now.config], [made.provider, made.config]);
  }
  await svix.ingest.source.create({ name: "any", type: "generic-webhook" });
  await svix.ingest.source.create({ name: "theirs", type: "svix", config: { secret: `whsec_${"c2VjcmV0".repeat(4)}` } });
  const { data } = await svix.ingest.source.list();
  assert.deepEqual(data.map((row) => row.type), [...kinds, "any"].map(() => "generic-webhook").concat("svix"));
  for (const { id } of data) await svix.ingest.source.delete(id);
}

async function rotation(svix, app, all, receiver) {
  const old = (await svix.endpoint.getSecret(app.id, all.id)).key;
  await svix.endpoint.rotateSecret(app.id, all.id, {});
  const fresh = (await svix.endpoint.getSecret(app.id, all.id)).key;
  assert.notEqual(fresh, old);
  await svix.endpoint.sendExample(app.id, all.id, { eventType: "refund.succeeded" });
  const { headers, body } = (await receiver.waitFor("/all", 4))[3];
  assert.deepEqual([body, headers["x-more"], headers["x-api-key"]], ['{"amount":42}', "1", "k"]);
  for (const secret of [old, fresh]) new Webhook(secret).verify(body, headers);
  return old;
}

/** All pages forwards, then all of them backwards; both must show the same, and end. */
async function walk(list) {
  const forth = [];
  let page = await list({ limit: 2 });
  for (forth.push(...page.data); !page.done; forth.push(...page.data)) page = await list({ limit: 2, iterator: page.iterator });
  const back = [...page.data];
  do {
    page = await list({ limit: 2, iterator: page.prevIterator });
    back.unshift(...page.data);
  } while (!page.done);
  const ids = (rows) => rows.map((row) => row.id ?? row.name);
  assert.deepEqual(ids(back), ids(forth));
  assert.equal(new Set(ids(forth)).size, forth.length);
  return forth.length;
}

async function pages(svix, app) {
  for (const number of [1, 2, 3, 4]) await svix.eventType.create({ name: `page.${number}`, description: "" });
  assert.equal(await walk((options) => svix.eventType.list(options)), 6);
  assert.equal(await walk((options) => svix.message.list(app.id, options)), 3);
  assert.equal(await walk((options) => svix.endpoint.list(app.id, options)), 2);
  const typed = (await svix.message.list(app.id, { eventTypes: ["refund.failed"], withContent: true })).data;
  assert.deepEqual(typed.map((event) => event.payload), [{ n: 2 }]);
}

async function ends(svix, app, failed) {
  await svix.endpoint.delete(app.id, failed.id);
  for (const call of [
    () => svix.endpoint.get(app.id, failed.id),
    () => svix.application.get("a/b ü"),
    () => svix.message.create("nobody", { eventType: "a", payload: {} }),
    () => svix.messageAttempt.listByMsg(app.id, "nobody"),
    () => svix.eventType.get("nobody"),
  ]) {
    assert.equal((await refused(404, call)).code, "not_found");
  }
  const tooLarge = { eventType: "a", payload: { a: "x".repeat(3_000_000) } };
  const once = new Svix(key, { serverUrl: url, retryScheduleInMs: [] });
  for (let time = 0; time < 20; time++) {
    assert.match((await refused(413, () => once.message.create(app.id, tooLarge))).detail, /1048576/);
  }
  await svix.application.delete(app.id);
  assert.equal((await refused(404, () => svix.application.get(app.id))).code, "not_found");
}

const [svix, receiver] = [new Svix(key, { serverUrl: url }), await receive()];
const stranger = new Svix(`sk_test_${"0".repeat(32)}`, { serverUrl: url });
assert.equal((await refused(401, () => stranger.application.list())).code, "authentication_failed");
const app = await applications(svix);
await eventTypes(svix);
const { all, failed } = await endpoints(svix, app, receiver);
await olderClient(svix, app, receiver);
const event = await events(svix, app, receiver);
await attempts(svix, app, all, event, receiver);
await standing(svix, app, all, event);
await upserts(svix, app, receiver);
await access(svix, app);
const opsSecret = await operational(svix, app, receiver);
const failedSecret = (await svix.endpoint.getSecret(app.id, failed.id)).key;
const allSecret = await rotation(svix, app, all, receiver);
await pages(svix, app);
await sources(svix); // brings types of its providers in
await erased(svix, app, event);
await ends(svix, app, failed);
for (const { path, headers, body } of receiver.deliveries) {
  const secret = { "/failed": failedSecret, "/ops": opsSecret }[path] ?? allSecret;
  new Webhook(secret).verify(body, headers);
  new SvixWebhook(secret).verify(body, headers);
}
console.log(`javascript: ${receiver.deliveries.length} deliveries verified`);
receiver.close();
