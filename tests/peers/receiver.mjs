// A receiver in the process of a story: it answers, and keeps what came.

import assert from "node:assert/strict";
import { createServer } from "node:http";

const PATIENCE_MS = 20_000;

/** What `ask` gives, once it is something. */
export async function eventually(ask) {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail("waited in vain");
}

/** Answers 200 and keeps what came, with the path it came to. */
export async function receive() {
  const deliveries = [];
  const server = createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      deliveries.push({ path: request.url, headers: request.headers, body: Buffer.concat(chunks).toString() });
      response.end("thank you");
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const at = (path) => deliveries.filter((delivery) => delivery.path === path);
  const waitFor = (path, count) => eventually(() => at(path).length >= count && at(path));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { deliveries, waitFor, close, url: `http://127.0.0.1:${server.address().port}` };
}
