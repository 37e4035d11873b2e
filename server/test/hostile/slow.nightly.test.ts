import { connect, type Socket } from "node:net";
import { setInterval } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { keptBy } from "../kept.ts";
import { startTestApp, type TestApp, type TestTenant } from "../test-app.ts";

/** Many who send a byte now and then, to hold what they have: headers have 20 s in all, bodies may be slow and not silent. */
const SOCKETS = 300;
const HEADERS_AND_CHECK_MS = 27_000;

let app: TestApp;
let tenant: TestTenant;
beforeAll(async () => {
  app = await startTestApp({ options: { idleTimeoutMs: 8_000 } });
  tenant = await app.tenant();
});
const sockets: Socket[] = [];
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await app.close();
});

function open(start: string): { socket: Socket; closed: Promise<void> } {
  const socket = connect(Number(new URL(app.url).port), "127.0.0.1");
  sockets.push(socket);
  socket.on("error", () => undefined);
  socket.resume();
  socket.write(start);
  return { socket, closed: new Promise((resolve) => socket.once("close", () => resolve())) };
}

async function drip(to: readonly Socket[], text: string, until: Promise<unknown>): Promise<void> {
  const stop = new AbortController();
  void until.then(() => stop.abort());
  try {
    for await (const _tick of setInterval(1_000, undefined, { signal: stop.signal })) {
      for (const socket of to) if (!socket.destroyed) socket.write(text);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}

it("who never ends the headers is closed, who is silent in the body is closed, a slow honest upload is taken, and others are served", async () => {
  const before = await keptBy(app);
  const began = performance.now();
  const headers = Array.from({ length: SOCKETS }, () => open("GET /api/v1/files HTTP/1.1\r\nHost: x\r\n"));
  const put = `PUT /api/v1/files/slow.txt HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tenant.key}\r\nConnection: close\r\n`;
  const silent = Array.from({ length: SOCKETS }, () => open(`${put}Content-Length: 1000\r\n\r\nx`));
  const honest = open(`${put}Content-Length: 20\r\n\r\n`);
  const ended = Promise.all([...headers, ...silent].map(({ closed }) => closed)).then(() => performance.now() - began);
  const dripping = drip([...headers.map(({ socket }) => socket)], "X-A: b\r\n", ended);
  const slow = drip([honest.socket], "y", honest.closed);

  const waits: number[] = [];
  for (let request = 0; request < 50; request++) {
    const asked = performance.now();
    expect((await tenant.fetch("/files?limit=1")).status).toBe(200);
    waits.push(performance.now() - asked);
  }
  expect(waits.toSorted((left, right) => left - right)[47]).toBeLessThan(2_000);
  expect(await ended).toBeLessThan(HEADERS_AND_CHECK_MS + 8_000);
  await Promise.all([dripping, slow, honest.closed]);
  expect((await keptBy(app)).files).toBe(before.files + 1);
  expect((await keptBy(app)).temp).toEqual([]);
}, 90_000);
