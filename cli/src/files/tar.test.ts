import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LocalFile } from "./paths.ts";
import { tarOf } from "./tar.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-tar-"));
});
afterAll(() => rm(folder, { recursive: true }));

const NAMES = [
  "a.txt",
  "deep/er/empty",
  "名前/ü.txt",
  `${"long-".repeat(40)}.bin`,
  "exactly-one-block",
  "x".repeat(101),
  "with space\\and.txt",
];
const SIZES = [5, 0, 700, 200_000, 512, 1, 65_537];

async function files(): Promise<LocalFile[]> {
  return Promise.all(
    NAMES.map(async (name, no) => {
      const path = join(folder, "in", String(no));
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, randomBytes(SIZES[no] ?? 0));
      return { path, name, sizeBytes: SIZES[no] ?? 0 };
    }),
  );
}

test("tar itself unpacks it to the same files, and the same files give the same bytes", async () => {
  const given = await files();
  let told = 0;
  const first = Buffer.concat(await Array.fromAsync(tarOf(given, (bytes) => (told += bytes))));
  expect(Buffer.concat(await Array.fromAsync(tarOf(given, () => {}))).equals(first)).toBe(true);
  expect(told).toBe(SIZES.reduce((sum, size) => sum + size, 0));
  const out = join(folder, "out");
  await mkdir(out);
  execFileSync("tar", ["-xf", "-", "-C", out], { input: first });
  for (const { name, path } of given) expect((await readFile(join(out, name))).equals(await readFile(path))).toBe(true);
});

test("a file that has grown ends it with an error", async () => {
  const [first] = await files();
  const shrunk = { path: first?.path ?? "", name: "a", sizeBytes: 4 };
  await expect(Array.fromAsync(tarOf([shrunk], () => {}))).rejects.toThrow("was changed while it was sent");
});
