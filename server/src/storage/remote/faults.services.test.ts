import { createHash, randomBytes, randomInt } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startFaultProxy, type FaultProxy } from "../../../test/stores/fault-proxy.ts";
import { mostlyRight } from "../../../test/stores/mostly-right.ts";
import { newBucket, sharedRadosgw } from "../../../test/stores/shared-radosgw.ts";
import type { ObjectStore } from "../object-store.ts";
import { openS3Store } from "../s3/open.ts";

/** Enough to tell 99.9 % from less; the seed is fixed, what goes on at the same time is not. */
const OPERATIONS = 1_000;
const AT_ONCE = 16;
const DONE_SHARE = 0.999;

let proxy: FaultProxy;
let store: ObjectStore;
beforeAll(async () => {
  const options = await newBucket(await sharedRadosgw());
  proxy = await startFaultProxy(options.endpoint ?? "");
  store = openS3Store({ ...options, endpoint: proxy.endpoint });
});
afterAll(async () => {
  await store.close();
  await proxy.close();
});

const put = (key: string, content: Buffer) => store.put(key, Readable.from([content], { objectMode: false }));
const hash = (content: Buffer) => createHash("sha256").update(content).digest("hex");

describe("a store whose server fails a fifth of all requests, and lies now and then", () => {
  it("does at least 99.9 % of what it is asked, and never gives or keeps a wrong byte", { timeout: 300_000 }, async () => {
    proxy.decide(mostlyRight(13));
    const kept = new Map<string, { sha256: string; sizeBytes: number }>();
    const keys: string[] = [];
    const failures: string[] = [];
    let started = 0;
    const client = async () => {
      while (started < OPERATIONS) {
        const number = started++;
        await operation(number).catch((error: unknown) => void failures.push(String(error)));
      }
    };
    const operation = async (number: number): Promise<void> => {
      const key = `t/file-${number}/0/0`;
      const old = keys[randomInt(Math.max(1, keys.length))];
      const what = number % 5;
      if (what < 2 || old === undefined) {
        // One in 40 is large enough for a multipart upload.
        const content = randomBytes(number % 40 === 0 ? 9_000_000 + randomInt(5_000_000) : randomInt(300_000));
        await put(key, content);
        kept.set(key, { sha256: hash(content), sizeBytes: content.length });
        keys.push(key);
      } else if (what < 4) {
        const content = await buffer(await store.get(old));
        expect(hash(content)).toBe(kept.get(old)?.sha256);
      } else {
        expect((await store.head(old))?.sizeBytes).toBe(kept.get(old)?.sizeBytes);
      }
    };
    const begun = performance.now();
    await Promise.all(Array.from({ length: AT_ONCE }, client));
    const seconds = (performance.now() - begun) / 1_000;
    proxy.decide(() => undefined);

    console.log(
      `${OPERATIONS} operations in ${seconds.toFixed(0)} s, ${failures.length} failed (${failures.join("; ")}); requests: ${JSON.stringify(proxy.counts)}`,
    );
    expect(failures.filter((failure) => failure.includes("AssertionError"))).toEqual([]);
    expect(failures.length, failures.join("\n")).toBeLessThanOrEqual(OPERATIONS * (1 - DONE_SHARE));
    for (const [key, { sha256 }] of kept) expect(hash(await buffer(await store.get(key))), key).toBe(sha256);
    const listed = await Array.fromAsync(store.list("t/"), ({ key }) => key);
    expect(keys.filter((key) => !listed.includes(key))).toEqual([]);
  });
});

describe("a store whose server is away", () => {
  const timed = async (work: Promise<unknown>) => {
    const begun = performance.now();
    const error = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    return { error, milliseconds: performance.now() - begun };
  };
  const unavailable = expect.objectContaining({ code: "unavailable" });

  it.each(["gone", "silent"] as const)(
    "fails in less than 2 s where it is %s, then at once, and serves again when it is back",
    async (how) => {
      await put(`t/before-${how}/0/0`, Buffer.from("x"));
      await proxy.vanish(how);
      const first = await timed(store.get(`t/before-${how}/0/0`));
      expect(first.error).toEqual(unavailable);
      expect(first.milliseconds).toBeLessThan(2_000);
      const uploads = await Promise.all(
        Array.from({ length: 20 }, (_unused, index) => timed(put(`t/away-${how}-${index}/0/0`, randomBytes(100_000)))),
      );
      for (const { error, milliseconds } of uploads) {
        expect(error).toEqual(unavailable);
        expect(milliseconds).toBeLessThan(2_000);
      }
      const refused = await timed(store.head(`t/before-${how}/0/0`));
      expect(refused.error).toEqual(unavailable);
      expect(refused.milliseconds).toBeLessThan(50);

      await proxy.comeBack();
      const back = performance.now();
      await expect
        .poll(() => timed(store.get(`t/before-${how}/0/0`)).then(({ error }) => error), { timeout: 8_000, interval: 100 })
        .toBeUndefined();
      expect(performance.now() - back).toBeLessThan(6_000);
      expect((await store.head(`t/before-${how}/0/0`))?.sizeBytes).toBe(1);
    },
  );

  it("is asked 10 times at most before the breaker opens, then once in 5 s", async () => {
    const requests = () => Object.values(proxy.counts).reduce((sum, count) => sum + count, 0);
    const before = requests();
    proxy.decide(() => "refused");
    for (let index = 0; index < 30; index++) expect((await timed(store.head("t/none/0/0"))).error).toEqual(unavailable);
    expect(requests() - before).toBeLessThanOrEqual(10);
    const opened = requests();
    const deadline = performance.now() + 5_500;
    while (performance.now() < deadline) {
      expect((await timed(store.head("t/none/0/0"))).error).toEqual(unavailable);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(requests() - opened).toBe(1);
    proxy.decide(() => undefined);
    await expect.poll(() => timed(store.head("t/none/0/0")).then(({ error }) => error), { timeout: 8_000 }).toBeUndefined();
  });

  it("waits for a slow answer of a server that answers others", async () => {
    const content = randomBytes(50_000);
    await put("t/slow/0/0", content);
    let stalls = 1;
    proxy.decide(() => (stalls-- > 0 ? "stalled" : undefined));
    const { milliseconds, error } = await timed(
      store.get("t/slow/0/0").then(async (stream) => expect((await buffer(stream)).equals(content)).toBe(true)),
    );
    expect(error).toBeUndefined();
    expect(milliseconds).toBeGreaterThan(4_500);
    expect(milliseconds).toBeLessThan(8_000);
  });
});
