import type { FileSummary } from "@filemill/contract/files.ts";
import type { Client } from "@filemill/sdk/client.ts";
import { sha256OfFile, uploadFromDisk } from "@filemill/sdk/disk.ts";
import { uploadResumable } from "@filemill/sdk/disk-resumable.ts";
import type { UploadMemory } from "@filemill/sdk/upload-memory.ts";
import type { Progress } from "../terminal/progress.ts";
import type { LocalFile } from "./paths.ts";

/** To send so much again costs more than the requests that find out where to go on. */
export const RESUMABLE_BYTES = 64 * 2 ** 20;

/** Four uploads at a time fill a local connection; more only make each of them slower. */
const AT_ONCE = 4;

/** Sends every file with a request of its own, several at once, and gives them back in their order. */
export async function sendFiles(sending: {
  client: Client;
  files: readonly LocalFile[];
  progress: Progress;
  signal: AbortSignal;
  metadata?: Record<string, string> | undefined;
  /** Larger files go so that they can be gone on with when the command is run again. */
  resumable?: { readonly above: number; readonly memory: UploadMemory };
}): Promise<FileSummary[]> {
  const { client, files, progress, signal, metadata, resumable } = sending;
  const bar = progress.bar(files.length === 1 ? `upload ${files[0]?.name}` : `upload ${files.length} files`, sum(files));
  const stored: FileSummary[] = [];
  const queue = files.entries();
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const lane = async () => {
    for (const [index, file] of queue) {
      either.throwIfAborted();
      if (resumable && file.sizeBytes > resumable.above) {
        const { memory } = resumable;
        let shown = 0;
        const onSent = (bytes: number) => {
          bar.add(bytes - shown);
          shown = bytes;
        };
        const done = await uploadResumable(client, file.path, { name: file.name, metadata, signal: either, memory, onSent });
        stored[index] = done.file;
        continue;
      }
      const upload = await uploadFromDisk(file.path, { name: file.name, onBytes: (bytes) => bar.add(bytes) });
      const sha256 = await sha256OfFile(file.path, either);
      stored[index] = await client.files.put({ ...upload, sha256 }, { signal: either, metadata });
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
  } catch (error) {
    stop.abort();
    throw error;
  }
  bar.finish();
  return stored;
}

function sum(files: readonly LocalFile[]): number {
  return files.reduce((total, file) => total + file.sizeBytes, 0);
}
