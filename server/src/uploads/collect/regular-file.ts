import { constants, type BigIntStats } from "node:fs";
import { lstat, open, readlink, realpath, type FileHandle } from "node:fs/promises";
import { sep } from "node:path";
import { SourceError } from "../../jobs/sources/source.ts";
import type { OpenedObject } from "./store-object.ts";

export interface FileLook {
  readonly sizeBytes: number;
  /** Changes with every change of the file, or of which file it is. */
  readonly etag: string;
  readonly modifiedAt: Date;
  /** Of its content or its name, ms; every write moves it, also one that sets the time of modification back. */
  readonly changedAt: number;
}

/** Undefined where there is no regular file (any more). A link is none. */
export async function lookAt(path: string): Promise<FileLook | undefined> {
  const stats = await lstat(path, { bigint: true }).catch(() => undefined);
  return stats?.isFile() === true ? lookOf(stats) : undefined;
}

function lookOf({ size, mtimeNs, ino, mtimeMs, ctimeMs }: BigIntStats): FileLook {
  return {
    sizeBytes: Number(size),
    etag: `${mtimeNs.toString(36)}-${size.toString(36)}-${ino.toString(36)}`,
    modifiedAt: new Date(Number(mtimeMs)),
    changedAt: Number(ctimeMs > mtimeMs ? ctimeMs : mtimeMs),
  };
}

/**
 * Opens a regular file at or below `root`, whoever may have put links in the way since it was listed: the last name must
 * be no link (O_NOFOLLOW), a pipe must not make us wait (O_NONBLOCK), and what was opened must lie below. Its bytes only
 * count when it was the same file, unchanged, before and after.
 */
export async function openRegular(path: string, { root, signal }: { root: string; signal: AbortSignal }): Promise<OpenedObject> {
  const handle = await opened(path);
  try {
    const before = await handle.stat({ bigint: true });
    if (!before.isFile() || !(await isBelow(handle, path, root))) {
      throw new SourceError("source_refused", "bad_input", "It is no regular file inside the folder.");
    }
    const { etag, modifiedAt, sizeBytes } = lookOf(before);
    const body = handle.createReadStream({ autoClose: false, signal });
    return { body, etag, modifiedAt, length: sizeBytes, check: () => unchanged(handle, etag), close: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function opened(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "ENOENT" || code === "ENOTDIR") throw new SourceError("source_missing", "bad_input", "The file is not there any more.");
    if (code === "EACCES" || code === "EPERM") throw new SourceError("source_denied", "bad_input", "The worker may not read this file.");
    if (code === "ELOOP" || code === "ENXIO")
      throw new SourceError("source_refused", "bad_input", "It is no regular file inside the folder.");
    throw new SourceError("source_unavailable", "external", `The file can't be opened: ${code}.`, { cause: error });
  }
}

/** Linux tells where an open file is; elsewhere its path is asked again, which leaves a moment to whoever may rename there. */
async function isBelow(handle: FileHandle, path: string, root: string): Promise<boolean> {
  const real = await readlink(`/proc/self/fd/${handle.fd}`).catch(() => realpath(path));
  return real.startsWith(root.endsWith(sep) ? root : root + sep);
}

async function unchanged(handle: FileHandle, etag: string): Promise<void> {
  const after = lookOf(await handle.stat({ bigint: true }));
  if (after.etag !== etag) throw new SourceError("source_unavailable", "external", "The file was changed while it was read.");
}
