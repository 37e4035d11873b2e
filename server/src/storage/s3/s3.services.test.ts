import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startFaultProxy, type FaultProxy } from "../../../test/stores/fault-proxy.ts";
import { mostlyRight } from "../../../test/stores/mostly-right.ts";
import { newBucket, sharedRadosgw } from "../../../test/stores/shared-radosgw.ts";
import { objectStoreContract } from "../object-store.contract.ts";
import { objectStoreModel } from "../object-store.model.ts";
import { PART_BYTES } from "../remote/part-holders.ts";
import { openS3Store, type S3Options } from "./open.ts";

let options: S3Options;
let proxy: FaultProxy;
beforeAll(async () => {
  options = await newBucket(await sharedRadosgw());
  proxy = await startFaultProxy(options.endpoint ?? "");
});
afterAll(async () => {
  await proxy.close();
});

let run = 0;
const openAlone = (overrides: Partial<S3Options> = {}) => openS3Store({ ...options, prefix: `run-${++run}/`, ...overrides });

objectStoreContract("s3", async () => openAlone());

describe("S3 store", () => {
  objectStoreModel(async () => openAlone(), { runs: 6 });

  it.each([PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 12_345])("keeps %i bytes, in parts or not", async (sizeBytes) => {
    const store = openAlone();
    const content = randomBytes(sizeBytes);
    expect(await store.put("t/large/0/0", Readable.from([content], { objectMode: false }))).toEqual({ sizeBytes });
    expect((await buffer(await store.get("t/large/0/0"))).equals(content)).toBe(true);
    const tail = await buffer(await store.get("t/large/0/0", { range: { start: sizeBytes - 10, end: sizeBytes - 1 } }));
    expect(tail.equals(content.subarray(-10))).toBe(true);
    await store.close();
  });

  it("gives URLs that anybody can fetch", async () => {
    const store = openAlone();
    await store.put("t/signed/0/0", Readable.from([Buffer.from("signed")]));
    const url = (await store.presign("t/signed/0/0", { method: "GET", expiresInSeconds: 60 })) ?? "";
    expect(await (await fetch(url)).text()).toBe("signed");
    expect((await fetch(url.replace(/Signature=./, "Signature=x"))).status).toBe(403);
    await store.close();
  });

  it("aborts uploads whose writers died, and leaves young ones alone", async () => {
    const store = openAlone({ uploadsEndAfterMs: -1_000 });
    const Prefix = `run-${run}/`;
    const patient = openAlone({ prefix: Prefix });
    const { endpoint = "", credentials, bucket } = options;
    const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, ...(credentials && { credentials }) });
    await client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: `${Prefix}t/dead/0/0` }));
    const open = async () => (await client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix }))).Uploads?.length ?? 0;
    expect([await patient.tidy(), await open()]).toEqual([0, 1]);
    expect([await store.tidy(), await open()]).toEqual([1, 0]);
    client.destroy();
    await Promise.all([store.close(), patient.close()]);
  });

  it("leaves no upload open where a put fails", async () => {
    const store = openAlone();
    async function* broken() {
      yield randomBytes(PART_BYTES + 1);
      throw new Error("the client went away");
    }
    await expect(store.put("t/broken/0/0", Readable.from(broken()))).rejects.toThrow("went away");
    const tidier = openAlone({ prefix: `run-${run}/`, uploadsEndAfterMs: -1_000 });
    expect(await tidier.tidy()).toBe(0);
    await Promise.all([store.close(), tidier.close()]);
  });

  it("says what is wrong with a bucket that is not there, and with credentials that are", async () => {
    const noBucket = openAlone({ bucket: "not-there" });
    await expect(noBucket.head("a")).resolves.toBeUndefined(); // HEAD has no body that could tell.
    await expect(noBucket.get("a")).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("no such bucket") });
    const denied = openAlone({ credentials: { accessKeyId: "nobody", secretAccessKey: "nothing" } });
    await expect(denied.get("a")).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("credentials") });
    await Promise.all([noBucket.close(), denied.close()]);
  });
});

describe("S3 store, of a server that fails", () => {
  beforeAll(() => proxy.decide(mostlyRight(7)));
  afterAll(() => proxy.decide(() => undefined));

  objectStoreModel(async () => openAlone({ endpoint: proxy.endpoint, guard: { answerWithinMs: 1_000 } }), { runs: 6 });
});
