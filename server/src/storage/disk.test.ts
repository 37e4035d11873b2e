import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, rename, rm, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createMemoryStore } from "../../test/memory-store.ts";
import { installFailpoint } from "../failpoint.ts";
import { openDiskStore } from "./disk.ts";
import { createFolderSync } from "./folder-sync.ts";
import { objectStoreContract } from "./object-store.contract.ts";
import { objectStoreModel } from "./object-store.model.ts";
import { createTieredStore } from "./tiered-store.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-disk-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

objectStoreContract("disk", async () => openDiskStore({ folder: join(folder, "contract") }));
objectStoreContract("memory", async () => createMemoryStore());
objectStoreContract("disk in tiers", async () => {
  const tier = (name: string) => openDiskStore({ folder: join(folder, "tiers", name) });
  return createTieredStore("disk", { hot: await tier("hot"), cold: await tier("cold"), archive: await tier("archive") });
});

describe("disk store", () => {
  let run = 0;
  const next = () => join(folder, `model-${++run}`);
  objectStoreModel(() => openDiskStore({ folder: next() }), {
    runs: 60,
    inspect: async () => expect(await readdir(join(folder, `model-${run}`, "tmp"))).toEqual([]),
  });

  it.each(["disk-after-write", "disk-after-fsync", "disk-after-link", "disk-after-folder-fsync"])(
    "leaves nothing where it fails at %s",
    async (name) => {
      const root = join(folder, name);
      const store = await openDiskStore({ folder: root });
      const installed = installFailpoint(`${name}:error`);
      await expect(store.put("t/file/0/0", Readable.from([Buffer.from("x")]))).rejects.toThrow(name);
      installed.remove();
      expect(installed.hits.get(name)).toBe(1);
      expect(await store.head("t/file/0/0")).toBeUndefined();
      expect(await readdir(join(root, "tmp"))).toEqual([]);
      await store.put("t/file/0/0", Readable.from([Buffer.from("y")]));
      expect((await buffer(await store.get("t/file/0/0"))).toString()).toBe("y");
    },
  );

  it("collects at open what nobody has written to for an hour, whoever seems to have written it", async () => {
    const temp = join(folder, "leftovers", "tmp");
    await mkdir(temp, { recursive: true });
    // In another container with our host name: its process number is ours, or nobody's here.
    const host = hostname().replaceAll(/[^A-Za-z0-9-]/g, "-");
    const living = [`${host}.${process.pid}.run.a`, `${host}.4194300.run.b`, "elsewhere.c"];
    const old = [`${host}.${process.pid}.run.d`, "elsewhere.e"];
    for (const name of [...living, ...old]) await writeFile(join(temp, name), "partial");
    const longAgo = new Date(Date.now() - 2 * 60 * 60 * 1_000);
    for (const name of old) await utimes(join(temp, name), longAgo, longAgo);
    await openDiskStore({ folder: join(folder, "leftovers") });
    expect((await readdir(temp)).toSorted()).toEqual(living.toSorted());
  });

  it("is unavailable, not empty, while its disk is not mounted", async () => {
    const root = join(folder, "mounted");
    const store = await openDiskStore({ folder: root });
    await store.put("t/file/0/0", Readable.from([Buffer.from("x")]));
    await rename(root, `${root}-away`);
    await mkdir(root);
    const away = expect.objectContaining({ code: "unavailable" });
    await expect(store.get("t/file/0/0")).rejects.toEqual(away);
    await expect(store.head("t/file/0/0")).rejects.toEqual(away);
    await expect(store.delete("t/file/0/0")).rejects.toEqual(away);
    await expect(store.put("t/file/0/1", Readable.from([Buffer.from("y")]))).rejects.toEqual(away);
    await expect(store.copy("t/file/0/0", "t/file/0/2")).rejects.toEqual(away);
    await expect(store.setClass("t/file/0/0", "cold")).rejects.toEqual(away);
    await expect(Array.fromAsync(store.list(""))).rejects.toEqual(away);
    await rm(root, { recursive: true });
    await rename(`${root}-away`, root);
    expect((await buffer(await store.get("t/file/0/0"))).toString()).toBe("x");
    expect(await store.head("t/file/0/1")).toBeUndefined();
  });

  it("can be opened again while another writes", async () => {
    const root = join(folder, "shared");
    const first = await openDiskStore({ folder: root });
    const content = randomBytes(500_000);
    async function* slow() {
      yield content;
      await openDiskStore({ folder: root });
    }
    await first.put("t/file/0/0", Readable.from(slow()));
    expect((await buffer(await first.get("t/file/0/0"))).equals(content)).toBe(true);
  });
});

describe("disk store in tiers", () => {
  let run = 0;
  objectStoreModel(
    async () => {
      const root = join(folder, `tiered-${++run}`);
      const tier = (name: string) => openDiskStore({ folder: join(root, name) });
      return createTieredStore("disk", { hot: await tier("hot"), cold: await tier("cold") });
    },
    { runs: 30 },
  );
});

describe("folder sync", () => {
  it("never answers a caller with an fsync that began before the call, and shares the next one", async () => {
    const begun: (() => void)[] = [];
    const folders = createFolderSync(() => new Promise<void>((resolve) => begun.push(resolve)));
    const done: string[] = [];
    const first = folders.sync("f").then(() => done.push("first"));
    const late = [1, 2, 3].map((number) => folders.sync("f").then(() => done.push(`late ${number}`)));
    const other = folders.sync("g").then(() => done.push("other"));
    expect(begun).toHaveLength(2);
    begun[1]?.();
    begun[0]?.();
    await Promise.all([first, other]);
    expect(done.toSorted()).toEqual(["first", "other"]);
    await expect.poll(() => begun.length).toBe(3);
    begun[2]?.();
    await Promise.all(late);
    expect(begun).toHaveLength(3);
  });

  it("gives a failed fsync to those who shared it only", async () => {
    let calls = 0;
    const folders = createFolderSync(async () => {
      if (++calls === 1) throw new Error("EIO");
    });
    const first = folders.sync("f");
    const second = folders.sync("f");
    await expect(first).rejects.toThrow("EIO");
    await expect(second).resolves.toBeUndefined();
  });
});
