import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { walkFolder } from "./walk-folder.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "filemill-walk-"));
});
afterEach(() => rm(root, { recursive: true }));

async function put(...paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), path);
  }
}

test("files come sorted name by name, folders where their names stand; links and hidden names don't come", async () => {
  await put("b.txt", "a/2", "a/10", "a/sub/x", "a.txt", ".hidden", ".git/config", "c/d/e");
  await symlink("/etc/passwd", join(root, "link"));
  await symlink("/etc", join(root, "folder-link"));
  expect(await Array.fromAsync(walkFolder(root))).toEqual(["a/10", "a/2", "a/sub/x", "a.txt", "b.txt", "c/d/e"]);
});

test("a walk goes on strictly after any path, also one that is gone", async () => {
  await put("a/1", "a/2", "b", "c/d/e", "c/f");
  const all = await Array.fromAsync(walkFolder(root));
  for (const [index, path] of all.entries()) expect(await Array.fromAsync(walkFolder(root, path))).toEqual(all.slice(index + 1));
  expect(await Array.fromAsync(walkFolder(root, "a/1x"))).toEqual(["a/2", "b", "c/d/e", "c/f"]);
  expect(await Array.fromAsync(walkFolder(root, "c/d/zzz"))).toEqual(["c/f"]);
});

test("a folder of more names than are kept at a time comes whole and sorted", async () => {
  const names = Array.from({ length: 25_000 }, (_unused, index) => `${(index * 7_919) % 25_000}`);
  for (let start = 0; start < names.length; start += 500) {
    await Promise.all(names.slice(start, start + 500).map((name) => writeFile(join(root, name), "")));
  }
  expect(await Array.fromAsync(walkFolder(root))).toEqual(names.toSorted());
});

test("a folder that can't be read ends the walk with its name, and is no empty one", async () => {
  // Root may read whatever its mode says; a name that is too long for the file system is refused to everybody.
  const tooLong = join(root, "x".repeat(300));
  await expect(Array.fromAsync(walkFolder(tooLong))).rejects.toMatchObject({
    code: "source_unavailable",
    message: expect.stringContaining("ENAMETOOLONG"),
  });
});
