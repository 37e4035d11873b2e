import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { prepareResultFolder } from "./result-folder.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-results-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("folders are made level by level, and those that got nothing are taken back", async () => {
  const deep = join(folder, "a", "b", "c");
  const drop = await prepareResultFolder(deep);
  const dropNothing = await prepareResultFolder(deep);
  await dropNothing();
  expect((await stat(deep)).isDirectory()).toBe(true);
  await writeFile(join(folder, "a", "result"), "");
  await drop();
  expect(await readdir(folder, { recursive: true })).toEqual(["a", "a/result"]);
});

test.each(["/proc/nope", "/proc/nope/below", "/dev/null", "/dev/null/below"])("%s is refused by its name, at once", async (path) => {
  await expect(prepareResultFolder(path)).rejects.toThrow(`The results can't go to ${path}: `);
});
