import { link, mkdir, open, stat, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { StorageError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { diskError, fsCode, putError } from "./disk-errors.ts";
import { objectPath } from "./disk-layout.ts";
import { listObjects } from "./disk-list.ts";
import { holdsStore, markFolder, requireMark } from "./disk-mark.ts";
import { createFileWriter } from "./file-writer.ts";
import { createFolderSync, type FolderSync } from "./folder-sync.ts";
import type { ObjectStore, PutOptions } from "./object-store.ts";
import { collectLeftovers, tempName } from "./temp-files.ts";

const READ_BUFFER_BYTES = 256 * 1_024;

/**
 * Objects as files below `folder`. Several processes may share it. A store is begun in a folder that holds none, made if
 * need be, but not where it `mustHold` one: begun in the empty folder of a disk that is not mounted, a store would say to
 * all processes that its objects are gone. Where the folder is gone later, everything is `unavailable`: no object counts as
 * absent that may come back. Rejects StorageError.
 *
 * A put writes to `tmp/`, fsyncs the file, links it under its name (link, unlike rename, refuses to replace) and fsyncs
 * the folder; only then it resolves. What a crash left in `tmp/` is deleted at open and by `tidy`, once it is an hour old.
 */
export async function openDiskStore(options: { folder: string; name?: string; mustHold?: boolean }): Promise<ObjectStore> {
  const root = options.folder;
  const temp = join(root, "tmp");
  const folders = createFolderSync();
  const known = new Set<string>();
  try {
    if (options.mustHold === true && !(await holdsStore(root))) throw empty(root);
    const made = await mkdir(temp, { recursive: true });
    await mkdir(join(root, "objects"), { recursive: true });
    await markFolder(root);
    await folders.sync(root);
    await syncAbove(root, { made, folders });
    await collectLeftovers(temp);
  } catch (error) {
    throw diskError(error, `disk store ${root}`);
  }

  /** Makes `source` visible under `key`, durably; leaves nothing there when it rejects. */
  async function publish(source: string, key: string): Promise<void> {
    const path = objectPath(root, key);
    await ensureFolder(dirname(path), { folders, known, root });
    await link(source, path).catch((error: unknown) => {
      // Somebody may have tidied empty folders away.
      if (fsCode(error) === "ENOENT") known.clear();
      throw error;
    });
    try {
      await failpoint("disk-after-link");
      await folders.sync(dirname(path));
      await failpoint("disk-after-folder-fsync");
    } catch (error) {
      await unlink(path).catch(() => undefined);
      throw error;
    }
  }

  /** What an operation on `key` failed with. A file that isn't there means that only as long as the store itself is. */
  async function failure(error: unknown, what: string): Promise<StorageError> {
    const isMissing = fsCode(error) === "ENOENT";
    const trouble = isMissing
      ? await requireMark(root).then(
          () => undefined,
          (lost: unknown) => lost,
        )
      : undefined;
    return diskError(trouble ?? error, what);
  }

  return {
    name: options.name ?? "disk",
    classes: ["hot"],
    async put(key, content, options = {}) {
      objectPath(root, key);
      const path = join(temp, tempName());
      try {
        const sizeBytes = await writeDurably(path, content, options);
        options.signal?.throwIfAborted();
        await publish(path, key).catch((error: unknown) => {
          throw putError(error, key);
        });
        return { sizeBytes };
      } finally {
        await unlink(path).catch(() => undefined);
      }
    },
    async get(key, { range, signal } = {}) {
      const handle = await open(objectPath(root, key), "r").catch(async (error: unknown) => {
        throw await failure(error, `get ${key}`);
      });
      return handle.createReadStream({ highWaterMark: READ_BUFFER_BYTES, ...range, ...(signal && { signal }) });
    },
    async head(key) {
      const path = objectPath(root, key);
      try {
        const found = await stat(path);
        return { sizeBytes: found.size, modifiedAt: found.mtime, storageClass: "hot" };
      } catch (error) {
        const trouble = await failure(error, `head ${key}`);
        if (trouble.code === "not_found") return undefined;
        throw trouble;
      }
    },
    async delete(key) {
      const path = objectPath(root, key);
      try {
        await unlink(path);
      } catch (error) {
        const trouble = await failure(error, `delete ${key}`);
        if (trouble.code !== "not_found") throw trouble;
      }
    },
    async *list(prefix) {
      await requireMark(root);
      yield* listObjects(join(root, "objects"), prefix);
    },
    async copy(from, to) {
      // Objects never change, so that two names for one file are two objects.
      await publish(objectPath(root, from), to).catch(async (error: unknown) => {
        throw await failure(error, `copy ${from} to ${to}`);
      });
    },
    async setClass(key) {
      await stat(objectPath(root, key)).catch(async (error: unknown) => {
        throw await failure(error, `set the class of ${key}`);
      });
      return "done";
    },
    async presign() {
      return undefined;
    },
    async tidy() {
      return await collectLeftovers(temp).catch((error: unknown) => {
        throw diskError(error, `disk store ${root}`);
      });
    },
    async close() {},
  };
}

function empty(root: string): StorageError {
  return new StorageError("unavailable", `the folder ${root} holds no store, but files are stored in it; is its disk mounted?`);
}

/** Writes the whole stream to a new file and fsyncs it. Rejects with the stream's own error, or with StorageError. */
async function writeDurably(path: string, content: Readable, { signal, release }: PutOptions): Promise<number> {
  const handle = await open(path, "wx", 0o600).catch((error: unknown) => {
    content.destroy();
    throw putError(error, path);
  });
  try {
    const file = createFileWriter(handle, { release, meaning: (error) => putError(error, "content") });
    await pipeline(content, file.writable, signal === undefined ? {} : { signal });
    await failpoint("disk-after-write");
    await handle.sync().catch((error: unknown) => {
      throw putError(error, path);
    });
    await failpoint("disk-after-fsync");
    return file.sizeBytes();
  } finally {
    await handle.close();
  }
}

/**
 * Makes the store's own folder durable in the one above it, and all that were made on the way to it: else a power cut soon
 * after the first start takes the whole store. A parent that we may use but not read can't be fsynced by us.
 */
async function syncAbove(root: string, { made = root, folders }: { made: string | undefined; folders: FolderSync }): Promise<void> {
  let folder = resolve(root);
  const uppermost = Math.min(folder.length, resolve(made).length);
  for (; folder.length >= uppermost && folder !== dirname(folder); folder = dirname(folder)) {
    await folders.sync(dirname(folder)).catch((error: unknown) => {
      if (fsCode(error) !== "EACCES") throw error;
    });
  }
}

/** Makes a folder and every missing one above it, each durable in its parent before anything is put into it. */
async function ensureFolder(folder: string, at: { folders: FolderSync; known: Set<string>; root: string }): Promise<void> {
  if (folder === join(at.root, "objects") || at.known.has(folder)) return;
  const parent = dirname(folder);
  await ensureFolder(parent, at);
  await mkdir(folder).catch((error: unknown) => {
    if (fsCode(error) !== "EEXIST") throw error;
  });
  // Also where another process made it: that one may have died before its fsync.
  await at.folders.sync(parent);
  if (at.known.size >= MAX_KNOWN_FOLDERS) at.known.clear();
  at.known.add(folder);
}

const MAX_KNOWN_FOLDERS = 10_000;
