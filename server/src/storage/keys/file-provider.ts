import { link, open, readFile, rename, rm, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { StorageError } from "../../errors.ts";
import { failpoint } from "../../failpoint.ts";
import type { KeyProvider } from "./key-provider.ts";
import { isLocalVersion, newRootKey, parseRootKeys, type LocalKeys } from "./local-keys.ts";

/** Rights that nobody else may have on the file. The group may read it: that is how secrets are mounted into containers. */
const OTHERS = 0o007;

/** Root keys in a file, one a line, the current one first. Processes of one installation share the file, or copies of it. */
export function createFileProvider(path: string): KeyProvider {
  let held: Promise<LocalKeys> | undefined;

  async function keys(): Promise<LocalKeys> {
    held ??= readKeys(path);
    return await held.catch((error: unknown) => {
      held = undefined;
      throw error;
    });
  }

  async function reread(): Promise<LocalKeys> {
    held = undefined;
    return await keys();
  }

  return {
    name: "file",
    owns: isLocalVersion,
    async wrap(key, name) {
      return (await keys()).wrap(key, name);
    },
    async unwrap(wrapped, name) {
      // Another process may have rotated since we looked.
      const key = (await keys()).unwrap(wrapped, name) ?? (await reread()).unwrap(wrapped, name);
      if (key !== undefined) return key;
      throw new StorageError(
        "unavailable",
        `root key ${wrapped.rootVersion} is not in ${path}; put its line back, from a backup of the file`,
      );
    },
    async version() {
      return (await reread()).versions[0] ?? "";
    },
    async versions() {
      return (await isThere(path)) ? (await reread()).versions : [];
    },
    async rotate() {
      try {
        const before = await readFile(path, "utf8");
        const { mode } = await stat(path);
        const partial = await writeBeside(path, { text: `${newRootKey()}\n${before}`, mode: mode & 0o777 });
        await failpoint("root-key-before-rename");
        await rename(partial, path);
        await syncFolder(path);
        await failpoint("root-key-after-rename");
      } catch (cause) {
        throw new StorageError(
          "unavailable",
          `the root key in ${path} can't be rotated from here: ${textOf(cause)}. Where the file is mounted read-only, put a new line in front of it at its source, everywhere, and rotate again`,
          { cause },
        );
      }
      held = undefined;
    },
  };
}

/** Makes the file with a new key, readable by its owner alone, whole or not at all; one that is there stays as it is. */
export async function makeRootKeyFile(path: string): Promise<void> {
  const partial = await writeBeside(path, { text: `${newRootKey()}\n`, mode: 0o400 });
  try {
    await link(partial, path);
    await syncFolder(path);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  } finally {
    await unlink(partial);
  }
}

async function readKeys(path: string): Promise<LocalKeys> {
  try {
    const { mode } = await stat(path);
    if ((mode & OTHERS) !== 0) throw new RangeError(`everybody on this machine can get at it; run: chmod 400 ${path}`);
    return parseRootKeys(await readFile(path, "utf8"));
  } catch (cause) {
    throw new StorageError("unavailable", `the root key file ${path} can't be used: ${textOf(cause)}`, { cause });
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    return codeOf(error) !== "ENOENT";
  }
}

/** Durable before it gets its name. What a killed writer left is keys too, and goes first. */
async function writeBeside(path: string, { text, mode }: { text: string; mode: number }): Promise<string> {
  const partial = join(dirname(path), `.${basename(path)}.new`);
  await rm(partial, { force: true });
  const file = await open(partial, "wx", mode);
  try {
    await file.chmod(mode);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  return partial;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), "r");
  await folder.sync().finally(() => folder.close());
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
