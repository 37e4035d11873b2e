import { randomBytes, randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { ContainerClient } from "@azure/storage-blob";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startAzurite, type Azurite } from "../../../test/stores/azurite.ts";
import { startFaultProxy, type FaultProxy } from "../../../test/stores/fault-proxy.ts";
import { mostlyRight } from "../../../test/stores/mostly-right.ts";
import { objectStoreContract } from "../object-store.contract.ts";
import { objectStoreModel } from "../object-store.model.ts";
import { createPartHolders, PART_BYTES } from "../remote/part-holders.ts";
import { openAzureStore, type AzureOptions } from "./open.ts";

let azurite: Azurite;
let proxy: FaultProxy;
let options: AzureOptions;
beforeAll(async () => {
  azurite = await startAzurite();
  proxy = await startFaultProxy(azurite.endpoint);
  const container = `container-${randomUUID()}`;
  const { endpoint, account, key, connectionString } = azurite;
  await new ContainerClient(connectionString, container).create();
  options = { name: "azure", container, prefix: "", endpoint, credentials: { account, key }, holders: createPartHolders(tmpdir()) };
});
afterAll(async () => {
  await proxy.close();
  await azurite.stop();
});

let run = 0;
const openAlone = (overrides: Partial<AzureOptions> = {}) => openAzureStore({ ...options, prefix: `run-${++run}/`, ...overrides });

objectStoreContract("azure", async () => openAlone());

describe("Azure store", () => {
  objectStoreModel(async () => openAlone(), { runs: 6 });

  it.each([PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 12_345])("keeps %i bytes, in blocks or not", async (sizeBytes) => {
    const store = openAlone();
    const content = randomBytes(sizeBytes);
    expect(await store.put("t/large/0/0", Readable.from([content], { objectMode: false }))).toEqual({ sizeBytes });
    expect((await buffer(await store.get("t/large/0/0"))).equals(content)).toBe(true);
    const tail = await buffer(await store.get("t/large/0/0", { range: { start: sizeBytes - 10, end: sizeBytes - 1 } }));
    expect(tail.equals(content.subarray(-10))).toBe(true);
    await store.close();
  });

  it("gives URLs that anybody can fetch, and can be used with such a signature alone", async () => {
    const store = openAlone();
    await store.put("t/signed/0/0", Readable.from([Buffer.from("signed")]));
    const url = (await store.presign("t/signed/0/0", { method: "GET", expiresInSeconds: 60 })) ?? "";
    expect(await (await fetch(url)).text()).toBe("signed");
    expect((await fetch(url.replace(/sig=./, "sig=x"))).status).toBe(403);
    const reader = openAlone({ prefix: `run-${run}/`, credentials: { sas: url.slice(url.indexOf("?") + 1) } });
    expect((await buffer(await reader.get("t/signed/0/0"))).toString()).toBe("signed");
    await expect(reader.delete("t/signed/0/0")).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("credentials"),
    });
    await Promise.all([store.close(), reader.close()]);
  });

  it("drops blocks whose writers died, and leaves young ones alone", async () => {
    const prefix = `run-${++run}/`;
    const client = new ContainerClient(azurite.connectionString, options.container);
    const blob = client.getBlockBlobClient(`${prefix}t/dead/0/0`);
    await blob.stageBlock(Buffer.from("0").toString("base64"), "left", 4);
    const patient = openAlone({ prefix });
    const store = openAlone({ prefix, blocksEndAfterMs: -1_000 });
    const staged = async () => (await blob.getBlockList("uncommitted").catch(() => undefined))?.uncommittedBlocks?.length ?? 0;
    expect([await patient.tidy(), await staged()]).toEqual([0, 1]);
    expect([await store.tidy(), await staged()]).toEqual([1, 0]);
    expect(await Array.fromAsync(store.list(""))).toEqual([]);
    await Promise.all([store.close(), patient.close()]);
  });

  it("says what is wrong with a container that is not there", async () => {
    const store = openAlone({ container: "not-there" });
    await expect(store.get("a")).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("no such container") });
    await store.close();
  });
});

describe("Azure store, of a server that fails", () => {
  beforeAll(() => proxy.decide(mostlyRight(11)));
  afterAll(() => proxy.decide(() => undefined));

  objectStoreModel(async () => openAlone({ endpoint: proxy.endpoint, guard: { answerWithinMs: 1_000 } }), { runs: 6 });
});
