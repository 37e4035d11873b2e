import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerOf, startTestApp, type TestApp } from "../../test/test-app.ts";
import { rawTar } from "../../test/tars.ts";
import { openDiskStore } from "./disk.ts";
import type { ObjectStore } from "./object-store.ts";

const MIB = 2 ** 20;

let folder: string;
let store: ObjectStore;
let app: TestApp;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-full-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "filemill", folder]);
  store = await openDiskStore({ folder });
  app = await startTestApp({ store: () => store });
});
afterAll(async () => {
  await app.close();
  execFileSync("umount", [folder]);
  await rm(folder, { recursive: true });
});

function* megabytes(count: number): Generator<Buffer> {
  for (let sent = 0; sent < count; sent++) yield randomBytes(MIB);
}

const temp = () => readdir(join(folder, "tmp"));

describe("a full disk", () => {
  it("refuses a put with disk_full, leaves nothing, and works again when space returns", async () => {
    await store.put("t/first/0/0", Readable.from(megabytes(5)));
    await expect(store.put("t/second/0/0", Readable.from(megabytes(5)))).rejects.toMatchObject({ code: "disk_full" });
    expect(await store.head("t/second/0/0")).toBeUndefined();
    expect(await temp()).toEqual([]);
    await store.delete("t/first/0/0");
    expect(await store.put("t/second/0/0", Readable.from(megabytes(5)))).toEqual({ sizeBytes: 5 * MIB });
    await store.delete("t/second/0/0");
  });

  it("is 507 with Retry-After over HTTP, for a raw body, a form and an archive, and leaves nothing", async () => {
    const tenant = await app.tenant();
    const content = Buffer.concat([...megabytes(12)]);
    const form = new FormData();
    form.append("file", new Blob([randomBytes(2 * MIB)]), "fits.bin");
    form.append("file", new Blob([content]), "large.bin");
    for (const answer of [
      await tenant.fetch("/files/large.bin", { method: "PUT", body: content }),
      await tenant.fetch("/files", { method: "POST", body: form }),
      await tenant.fetch("/files/bulk", { method: "POST", body: rawTar([{ name: "large.bin", content }]) }),
    ]) {
      expect(
        [answer.status, answer.headers.get("retry-after")],
        JSON.stringify(app.logged.filter((line) => Number(line["level"]) >= 50)),
      ).toEqual([507, "5"]);
      expect(await answerOf(answer)).toMatchObject({ code: "disk_full" });
      expect(await Array.fromAsync(store.list(""))).toEqual([]);
      expect(await temp()).toEqual([]);
    }
    const after = await tenant.fetch("/files/small.bin", { method: "PUT", body: content.subarray(0, 5 * MIB) });
    expect(after.status).toBe(201);
  });
});
