import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import { openTestPool, step } from "../../../test/hosts.ts";
import { openChannel } from "./channel.ts";
import { resultsThatFit } from "./results-that-fit.ts";

const open: { destroy(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.destroy();
});

async function pair(): Promise<[Socket, Socket]> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a server has a port");
  const near = connect(address.port, "127.0.0.1");
  const [far] = (await once(server, "connection")) as [Socket];
  server.close();
  open.push(near, far);
  return [near, far];
}

async function received(write: (socket: Socket) => void, maxBytes = 100): Promise<unknown[]> {
  const [near, far] = await pair();
  const got: unknown[] = [];
  const closed = new Promise<void>((resolve) => {
    openChannel(far, { maxBytes, onMessage: (message) => got.push(message), onMisuse: (reason) => got.push(reason), onClose: resolve });
  });
  write(near);
  near.end();
  await closed;
  return got;
}

test("messages come whole and in order, however they were cut", async () => {
  const lines = `${JSON.stringify({ a: "é" })}\n"b"\n`;
  expect(
    await received((socket) => {
      for (const byte of Buffer.from(lines)) socket.write(Buffer.of(byte));
    }),
  ).toEqual([{ a: "é" }, "b"]);
});

test.each([
  ["a line that is too long", `"ok"\n"${"x".repeat(200)}"\n"after"\n`, "a message of more than 100 bytes"],
  ["a line without an end", `"ok"\n${"x".repeat(200)}`, "a message of more than 100 bytes"],
  ["what is not JSON", `"ok"\nx\n"after"\n`, "a line that is not JSON"],
])("%s ends the reading", async (_what, text, reason) => {
  expect(await received((socket) => socket.write(text))).toEqual(["ok", reason]);
});

test("a host that never ends its message is ended itself, and the worker's memory stays as it is", async () => {
  await using hosts = await openTestPool({ slots: 1 });
  await hosts.run("tenant", { steps: [step("probe.upper")] });
  const before = process.memoryUsage().rss;
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 5);
  const { outcome } = await hosts.run("tenant", { steps: [step("probe.drone", { timeoutMs: 10_000 })] });
  clearInterval(watch);
  expect(outcome).toMatchObject({ type: "died", failure: { class: "crashed", code: "crashed" } });
  expect(hosts.logged.some((line) => line.includes("a message of more than"))).toBe(true);
  expect(peak - before).toBeLessThan(100 * 2 ** 20);
});

test("of a batch with more results than fit, those that do not are failures of their own", () => {
  const output = { step: "s", content: { path: "/scratch/task/output-1" }, name: "n".repeat(900), mediaType: "text/plain", sizeBytes: 1 };
  const results = Array.from({ length: 30 }, () => ({ ok: true as const, ran: true, outputs: Array.from({ length: 100 }, () => output) }));
  const fitting = resultsThatFit(results, 2 ** 20);
  expect(Buffer.byteLength(JSON.stringify(fitting))).toBeLessThan(2 ** 20);
  expect(fitting[0]).toBe(results[0]);
  expect(fitting.at(-1)).toMatchObject({ ok: false, step: "s", failure: { class: "resource_exhausted" } });
  expect(resultsThatFit(results.slice(0, 3), 2 ** 20)).toEqual(results.slice(0, 3));
});

test("what a host tells can be recorded, whatever its processor made up", async () => {
  await using hosts = await openTestPool({ slots: 1 });
  const { outcome } = await hosts.run("tenant", { steps: [step("probe.rave")] });
  if (outcome.type !== "done" || !outcome.results[0]?.ok) throw new Error(JSON.stringify(outcome));
  const [output] = outcome.results[0].outputs;
  expect(output?.name).toMatch(/^ab\ufffd\[31m c(?:😀)+…$/u);
  expect(Buffer.byteLength(output?.name ?? "")).toBeLessThanOrEqual(1_024);
  expect(output?.mediaType).toBe("application/octet-stream");
  const failed = await hosts.run("tenant", { steps: [step("probe.rave", { with: { fail: true } })] });
  expect(failed.outcome).toMatchObject({
    type: "done",
    results: [
      { ok: false, failure: { class: "bad_input", code: "corrupt", message: expect.stringMatching(/^ab\ufffd\[31m c(?:😀)+…$/u) } },
    ],
  });
});
