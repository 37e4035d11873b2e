import { createHash, randomUUID } from "node:crypto";
import { createReadStream, openAsBlob } from "node:fs";
import { access, constants, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { FileSummary } from "@filemill/contract/files.ts";
import type { Client } from "./client.ts";
import { FilemillError } from "./error.ts";
import { makeFolder } from "./make-folder.ts";
import type { Upload } from "./upload.ts";

/**
 * A file on disk as something to upload: nothing is read before it is sent, and then piece by piece.
 * `onBytes` is told of every piece that has left the disk. Rejects as node:fs does (ENOENT, EACCES, …).
 */
export async function uploadFromDisk(path: string, options: { name?: string; onBytes?: (bytes: number) => void } = {}): Promise<Upload> {
  // openAsBlob does not say which file it can't open.
  await access(path, constants.R_OK);
  const content = await openAsBlob(path);
  const { onBytes } = options;
  if (onBytes) {
    const read = content.stream.bind(content);
    // fetch reads a Blob through its stream(), and takes the length from its size: counting there keeps Content-Length.
    content.stream = () => read().pipeThrough(counted(onBytes));
  }
  return { name: options.name ?? basename(path), content };
}

/** SHA-256 in hex of a file on disk, which is read once for it. */
export async function sha256OfFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash, signal ? { signal } : {});
  return hash.digest("hex");
}

/**
 * Stores a file's content at `path` (folders are made). It appears there only once it is whole and its sha256 is right;
 * a lost connection is taken up where it ended. Rejects `digest_mismatch` for damaged content.
 */
export async function download(
  client: Client,
  file: Pick<FileSummary, "id" | "size" | "sha256">,
  path: string,
  options: { signal?: AbortSignal; onBytes?: (bytes: number) => void } = {},
): Promise<void> {
  await makeFolder(dirname(path));
  const part = join(dirname(path), `.${basename(path)}.${randomUUID()}.part`);
  try {
    const digest = await receive({ client, file, part, ...options });
    if (digest !== file.sha256) {
      throw new FilemillError({
        code: "digest_mismatch",
        status: 0,
        detail: `The content of ${file.id} arrived damaged (sha256 ${digest} instead of ${file.sha256}); download it again.`,
      });
    }
    await rename(part, path);
  } finally {
    await rm(part, { force: true });
  }
}

interface Receiving {
  readonly client: Client;
  readonly file: Pick<FileSummary, "id" | "size">;
  readonly part: string;
  readonly signal?: AbortSignal;
  readonly onBytes?: (bytes: number) => void;
}

const MAX_BREAKS = 5;

/** Gives the sha256 of what is in `part` at the end. */
async function receive({ client, file, part, signal, onBytes }: Receiving): Promise<string> {
  const hash = createHash("sha256");
  const handle = await open(part, "wx");
  let received = 0;
  try {
    for (let breaks = 0; ; breaks++) {
      const response = await client.files.content(file.id, { start: received, signal });
      // Whoever ignores the range sends everything again: what is here already is thrown away.
      let skip = response.status === 206 ? 0 : received;
      const store = async (chunks: AsyncIterable<Uint8Array>) => {
        for await (const whole of chunks) {
          const chunk = whole.subarray(Math.min(skip, whole.length));
          skip -= whole.length - chunk.length;
          // Counted only when written: what a broken stream still held must be asked for again.
          await handle.writeFile(chunk);
          hash.update(chunk);
          received += chunk.length;
          onBytes?.(chunk.length);
        }
      };
      try {
        await pipeline(response.body ? Readable.fromWeb(response.body) : Readable.from([]), store, signal ? { signal } : {});
        return hash.digest("hex");
      } catch (error) {
        signal?.throwIfAborted();
        if (breaks >= MAX_BREAKS || received >= file.size || isDiskError(error)) throw error;
      }
    }
  } finally {
    await handle.close();
  }
}

function isDiskError(error: unknown): boolean {
  return error instanceof Error && "code" in error && ["ENOSPC", "EACCES", "EROFS", "EIO", "EISDIR"].includes(String(error.code));
}

function counted(onBytes: (bytes: number) => void): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  return new TransformStream({
    transform(chunk, controller) {
      onBytes(chunk.byteLength);
      controller.enqueue(chunk);
    },
  });
}
