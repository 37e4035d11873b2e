import { open, opendir, stat } from "node:fs/promises";
import { join } from "node:path";
import { StorageError } from "../errors.ts";
import { fsCode } from "./disk-errors.ts";

/**
 * A file in a store's folder that says that this is the store. A disk that is not mounted leaves an empty folder behind,
 * in which every object seems to be deleted; without the mark we know that it only seems so.
 */
const MARK = "filemill-store.json";
const LAYOUT = { layout: 1 };

/** Sets the mark, durably with the next fsync of the folder, unless it is there. */
export async function markFolder(root: string): Promise<void> {
  const handle = await open(join(root, MARK), "wx", 0o600).catch((error: unknown) => {
    if (fsCode(error) === "EEXIST") return undefined;
    throw error;
  });
  if (handle === undefined) return;
  try {
    await handle.writeFile(`${JSON.stringify(LAYOUT)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Does the folder hold a store: its mark, or objects, which stores of the first releases had without one? */
export async function holdsStore(root: string): Promise<boolean> {
  if (await isThere(join(root, MARK))) return true;
  try {
    for await (const _entry of await opendir(join(root, "objects"))) return true;
    return false;
  } catch (error) {
    if (fsCode(error) === "ENOENT") return false;
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (fsCode(error) === "ENOENT") return false;
    throw error;
  }
}

/** Rejects StorageError unavailable where the folder does not hold the store now. */
export async function requireMark(root: string): Promise<void> {
  try {
    await stat(join(root, MARK));
  } catch (cause) {
    throw new StorageError("unavailable", `disk store ${root}: its folder does not hold the store now; is its disk mounted?`, { cause });
  }
}
