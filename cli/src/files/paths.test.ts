import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EXIT } from "../exit.ts";
import { localFiles } from "./paths.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-paths-"));
  await mkdir(join(folder, "below"));
  await writeFile(join(folder, "below", "a.txt"), "abc");
});
afterEach(() => rm(folder, { recursive: true }));

test("a folder stands for the files below it; links and hidden files are left out", async () => {
  await writeFile(join(folder, ".hidden"), "");
  await symlink("below/a.txt", join(folder, "link"));
  expect(await localFiles([folder])).toEqual([{ path: join(folder, "below", "a.txt"), name: "below/a.txt", sizeBytes: 3 }]);
});

test("a pipe is refused by its path, alone and in a folder", async () => {
  const pipe = join(folder, "below", "pipe");
  execFileSync("mkfifo", [pipe]);
  for (const path of [pipe, folder]) {
    await expect(localFiles([path])).rejects.toMatchObject({
      message: expect.stringContaining(`${pipe}: is no regular file`),
      exitCode: EXIT.usage,
    });
  }
});

// Root may read everything, so that another user has to try.
test("a file that may not be read is named before anything is sent", async () => {
  const secret = join(folder, "below", "secret");
  await writeFile(secret, "", { mode: 0 });
  await chmod(folder, 0o755);
  const script = `const { localFiles } = await import(${JSON.stringify(new URL("./paths.ts", import.meta.url).href)});
    if (process.getuid() === 0) process.setuid(65534);
    console.log(await localFiles([${JSON.stringify(folder)}]).then(() => "taken", (error) => error.code + " " + error.path));`;
  const said = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  expect(said.trim()).toBe(`EACCES ${secret}`);
});
