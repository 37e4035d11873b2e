import { access, chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { prepareBinaries } from "./binaries.ts";

/** Nobody that owns anything here, so that only what all may do counts. */
const STRANGER = { name: "stranger", uid: 54_321, gid: 54_321 };

let folder: string;
let packageFolder: string;
let copyFolder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-binaries-"));
  packageFolder = join(folder, "package");
  copyFolder = join(folder, "copies");
  await makePackage("1.0.0");
});
afterEach(() => rm(folder, { recursive: true }));

/** As npm unpacks it without its install script: no links, and not executable. */
async function makePackage(version: string): Promise<void> {
  await mkdir(join(packageFolder, "native/bin"), { recursive: true });
  await mkdir(join(packageFolder, "native/lib"), { recursive: true });
  for (const program of ["initdb", "postgres"])
    await writeFile(join(packageFolder, "native/bin", program), `${program} ${version}`, { mode: 0o644 });
  await writeFile(join(packageFolder, "native/lib/libx.so.1.2"), "library");
  await writeFile(join(packageFolder, "native/pg-symlinks.json"), '[{"source":"native/lib/libx.so.1.2","target":"native/lib/libx.so.1"}]');
  await writeFile(join(packageFolder, "package.json"), JSON.stringify({ version }));
}

test("links that the install script did not make are made, and the programs can be run", async () => {
  for (const _twice of [1, 2]) {
    const { postgres, initdb } = await prepareBinaries({ packageFolder, account: undefined, copyFolder });
    expect(postgres).toBe(join(packageFolder, "native/bin/postgres"));
    for (const program of [postgres, initdb]) await access(program, 1);
    expect(await readFile(join(packageFolder, "native/lib/libx.so.1"), "utf8")).toBe("library");
  }
});

test("programs that the database's user can't reach are copied, once a version, with their links", async () => {
  await chmod(folder, 0o700);
  const options = { packageFolder, account: STRANGER, copyFolder };
  const first = await prepareBinaries(options);
  expect(first.postgres).toBe(join(copyFolder, "1.0.0/native/bin/postgres"));
  expect(await readFile(join(copyFolder, "1.0.0/native/lib/libx.so.1"), "utf8")).toBe("library");
  await access(first.initdb, 1);
  expect(await prepareBinaries(options)).toEqual(first);
  await makePackage("1.0.1");
  expect(await readFile((await prepareBinaries(options)).postgres, "utf8")).toBe("postgres 1.0.1");
});

test("a copy that was interrupted is made anew", async () => {
  await chmod(folder, 0o700);
  await mkdir(join(copyFolder, "1.0.0.partial/native/bin"), { recursive: true });
  const { postgres } = await prepareBinaries({ packageFolder, account: STRANGER, copyFolder });
  expect(await readFile(postgres, "utf8")).toBe("postgres 1.0.0");
});
