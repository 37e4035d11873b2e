import { createHash, randomBytes, randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { ContainerClient } from "@azure/storage-blob";
import { describe, expect, it } from "vitest";
import { startAzurite } from "../../../test/stores/azurite.ts";
import { newBucket, sharedRadosgw } from "../../../test/stores/shared-radosgw.ts";
import { startTestApp } from "../../../test/test-app.ts";
import { cutAfter, isLocked, tusAt } from "../../../test/tus.ts";
import { buildApp } from "../../http/app.ts";
import { openAzureStore } from "../../storage/azure/open.ts";
import type { ObjectStore } from "../../storage/object-store.ts";
import { createPartHolders } from "../../storage/remote/part-holders.ts";
import { openS3Store } from "../../storage/s3/open.ts";

interface OpenedStore {
  readonly store: ObjectStore;
  stop(): Promise<void>;
}

async function openS3(): Promise<OpenedStore> {
  return { store: openS3Store(await newBucket(await sharedRadosgw())), stop: async () => {} };
}

async function openAzure(): Promise<OpenedStore> {
  const { endpoint, account, key, connectionString, stop } = await startAzurite();
  const container = `container-${randomUUID()}`;
  await new ContainerClient(connectionString, container).create();
  const holders = createPartHolders(tmpdir());
  return { store: openAzureStore({ name: "azure", container, prefix: "", endpoint, credentials: { account, key }, holders }), stop };
}

/** What is durable is a matter of the store: the whole way, on those that are not a disk. */
describe.each<[string, () => Promise<OpenedStore>]>([
  ["S3", openS3],
  ["Azure Blob", openAzure],
])("resumable uploads on %s", (_name, open) => {
  it("are cut, resumed through another process, joined and given up", { timeout: 120_000 }, async () => {
    const { store, stop } = await open();
    const app = await startTestApp({ store: () => store });
    const other = await buildApp(app.services);
    const tenant = await app.tenant();
    const here = tusAt(app.url, tenant.key);
    const there = tusAt(await other.listen({ host: "127.0.0.1", port: 0 }), tenant.key);
    const keys = async () => (await Array.fromAsync(store.list(`${tenant.id}/`))).map(({ key }) => key);
    const expectFile = async (id: unknown, content: Buffer) => {
      const back = Buffer.from(await (await tenant.fetch(`/files/${String(id)}/content`)).arrayBuffer());
      expect(createHash("sha256").update(back).digest("hex")).toBe(createHash("sha256").update(content).digest("hex"));
    };
    try {
      const content = randomBytes(6_000_000);
      const { url } = await here.create({ "upload-length": String(content.length) });
      const cut = here.open(url, 0, { "content-length": String(content.length) });
      await cutAfter(cut, content.subarray(0, 2_500_000), () => isLocked(app.services.database, url));
      await expect.poll(async () => Number((await there.head(url)).headers["upload-offset"]), { timeout: 20_000 }).toBeGreaterThan(0);
      const offset = Number((await there.head(url)).headers["upload-offset"]);
      const last = await there.patch(url, offset, content.subarray(offset));
      expect(last.status).toBe(204);
      await expectFile(last.headers["filemill-file-id"], content);

      const parts = [content.subarray(0, 1_000_000), content.subarray(1_000_000, 1_300_000)];
      const urls = [];
      for (const part of parts)
        urls.push((await here.create({ "upload-length": String(part.length), "upload-concat": "partial" }, part)).url);
      const final = await there.create({ "upload-concat": `final;${urls.join(" ")}` });
      await expectFile(final.headers["filemill-file-id"], Buffer.concat(parts));

      const before = await keys();
      const given = await here.create({ "upload-length": "200000" });
      await here.patch(given.url, 0, content.subarray(0, 100_000));
      expect(await keys()).toHaveLength(before.length + 1);
      expect((await there.send("DELETE", given.url)).status).toBe(204);
      expect((await keys()).toSorted()).toEqual(before.toSorted());
    } finally {
      await other.close();
      await app.close();
      await store.close();
      await stop();
    }
  });
});
