import { StorageError } from "../errors.ts";

/** Gives an error of the file system its meaning for callers of an object store. */
export function diskError(error: unknown, what: string): StorageError {
  if (error instanceof StorageError) return error;
  switch (fsCode(error)) {
    case "ENOSPC":
    case "EDQUOT":
      return new StorageError("disk_full", `${what}: there is no space left; free some or give the store a larger disk`, { cause: error });
    case "ENOENT":
      return new StorageError("not_found", `${what}: there is no such object`, { cause: error });
    case "EEXIST":
      return new StorageError("exists", `${what}: the key is taken`, { cause: error });
    default:
      return new StorageError("unavailable", `${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** As diskError, for what is being written: a missing folder then is trouble of the disk, not an absent object. */
export function putError(error: unknown, key: string): StorageError {
  if (fsCode(error) !== "ENOENT") return diskError(error, `put ${key}`);
  return new StorageError("unavailable", `put ${key}: a folder of the store is gone`, { cause: error });
}

export function fsCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
