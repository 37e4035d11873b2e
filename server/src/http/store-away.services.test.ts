import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startFaultProxy, type FaultProxy } from "../../test/stores/fault-proxy.ts";
import { newBucket, sharedRadosgw } from "../../test/stores/shared-radosgw.ts";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../../test/test-app.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { openS3Store } from "../storage/s3/open.ts";

let proxy: FaultProxy;
let store: ObjectStore;
let app: TestApp;
let tenant: TestTenant;
beforeAll(async () => {
  const options = await newBucket(await sharedRadosgw());
  proxy = await startFaultProxy(options.endpoint ?? "");
  store = openS3Store({ ...options, endpoint: proxy.endpoint });
  app = await startTestApp({ store: () => store });
  tenant = await app.tenant();
});
afterAll(async () => {
  await app.close();
  await store.close();
  await proxy.close();
});

const put = (content: Buffer) => tenant.fetch("/files/photo.bin", { method: "PUT", body: content });
const get = (id: string) => tenant.fetch(`/files/${id}/content`);

it.each(["gone", "silent"] as const)(
  "a store that is %s is 503 with Retry-After in 2 s, for what comes and what goes, and heals",
  async (how) => {
    const content = randomBytes(200_000);
    const [file] = (await answerOf(await put(content))).files;
    await proxy.vanish(how);
    for (const request of [() => put(content), () => get(file?.id ?? ""), () => put(content)]) {
      const begun = performance.now();
      const answer = await request();
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "5"]);
      expect(await answerOf(answer)).toMatchObject({ code: "unavailable" });
      expect(performance.now() - begun).toBeLessThan(2_000);
    }
    await proxy.comeBack();
    await expect.poll(async () => (await put(content)).status, { timeout: 8_000, interval: 200 }).toBe(201);
    expect(Buffer.from(await (await get(file?.id ?? "")).arrayBuffer()).equals(content)).toBe(true);
  },
);
