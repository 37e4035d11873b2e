import { randomUUID } from "node:crypto";
import { mkdir, open, unlink, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { Problem, StorageError } from "../../errors.ts";

export interface SpoolOptions {
  readonly folder: string;
  readonly maxBytes: number;
  readonly maxEntries: number;
}

/**
 * Takes a stream onto the disk, into a file that has no name any more: nobody else can open it, and whatever becomes of
 * this process, nothing is left. Throws Problem `file_too_large`, StorageError, or what `content` throws.
 */
export async function spool(
  content: AsyncIterable<Buffer>,
  { folder, maxBytes }: SpoolOptions,
): Promise<{ handle: FileHandle; sizeBytes: number }> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, randomUUID());
  const handle = await open(path, "wx+", 0o600);
  let sizeBytes = 0;
  try {
    await unlink(path);
    for await (const chunk of content) {
      sizeBytes += chunk.length;
      if (sizeBytes > maxBytes) throw tooLarge(maxBytes);
      await handle.writeFile(chunk);
    }
    return { handle, sizeBytes };
  } catch (error) {
    await handle.close();
    throw full(error);
  }
}

function tooLarge(maxBytes: number): Problem {
  return new Problem(
    "file_too_large",
    `A zip, or a tar with a digest, may have at most ${maxBytes} bytes here. Send a tar without one, or several.`,
  );
}

function full(error: unknown): unknown {
  const isFull = error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
  return isFull ? new StorageError("disk_full", "spool a zip: there is no space left", { cause: error }) : error;
}
