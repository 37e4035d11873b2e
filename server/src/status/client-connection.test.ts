import { once } from "node:events";
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createConnection, MAX_WAITING_BYTES } from "./client-connection.ts";
import { HEARTBEAT } from "./message.ts";

/** Far more than the kernel holds for both ends. */
const MOST_SENT_BYTES = 64 * 2 ** 20;

let server: Server;
beforeEach(async () => {
  server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** Both ends of one answer that goes on; nothing of it has been read. */
async function openAnswer(): Promise<{ written: ServerResponse; received: IncomingMessage }> {
  const asked = once(server, "request") as Promise<[IncomingMessage, ServerResponse]>;
  const address = server.address();
  const client = request({ host: "127.0.0.1", port: typeof address === "object" ? address?.port : 0 }).end();
  client.on("error", () => undefined);
  const answered = once(client, "response") as Promise<[IncomingMessage]>;
  const [, written] = await asked;
  written.flushHeaders();
  const [received] = await answered;
  received.on("error", () => undefined);
  return { written, received };
}

test("in silence heartbeats come, again and again, until the end", async () => {
  const { written, received } = await openAnswer();
  const connection = createConnection(written, { onClosed: () => undefined, heartbeatMs: 20 });
  let text = "";
  received.setEncoding("utf8").on("data", (part: string) => (text += part));
  await expect.poll(() => text).toContain(HEARTBEAT.repeat(3));
  const ended = once(received, "end");
  connection.send("data: last\n\n");
  connection.end();
  await ended;
  expect(text.endsWith("data: last\n\n")).toBe(true);
});

test("a client that never reads is closed when more than a megabyte waits for it, and not before", async () => {
  const { written, received } = await openAnswer();
  let closings = 0;
  const connection = createConnection(written, { onClosed: () => (closings += 1) });
  const message = `data: ${"x".repeat(16 * 1024)}\n\n`;
  let waiting = 0;
  // The kernel takes some megabytes in its turns; then what is sent waits here.
  for (let sent = 0; connection.open && sent < MOST_SENT_BYTES; sent += message.length) {
    connection.send(message);
    if (connection.open) waiting = written.writableLength;
    await nextTurn();
  }
  expect(connection.open).toBe(false);
  expect(waiting).toBeLessThanOrEqual(MAX_WAITING_BYTES);
  expect(waiting).toBeGreaterThan(MAX_WAITING_BYTES - 2 * message.length);
  expect(written.destroyed).toBe(true);
  expect(closings).toBe(1);
  // Cut off, not ended: the client knows that something is missing, and comes back.
  received.resume();
  await expect.poll(() => received.destroyed).toBe(true);
  expect(received.complete).toBe(false);
});
