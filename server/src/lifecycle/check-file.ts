import { createHash } from "node:crypto";
import { StorageError } from "../errors.ts";
import type { FileManifest } from "../outputs/content.ts";
import type { ContentStore } from "../storage/content-store.ts";
import type { Damage } from "./damage.ts";

export type Checked = "whole" | Damage;

/**
 * Reads a file to its end, as whoever fetches it would, and compares size and SHA-256 with its row. Rejects where nothing can
 * be said of the bytes: the store, or the keys, can't be had now, or the object is in an archive.
 */
export async function checkFile(contents: ContentStore, manifest: FileManifest, signal: AbortSignal): Promise<Checked> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  try {
    for await (const chunk of await contents.read(manifest, { signal })) {
      if (!Buffer.isBuffer(chunk)) throw new TypeError("content comes in buffers");
      sizeBytes += chunk.length;
      hash.update(chunk);
    }
  } catch (error) {
    if (error instanceof StorageError && error.code === "not_found") return { kind: "missing", detail: error.message };
    if (error instanceof StorageError && error.code === "damaged") return { kind: "damaged", detail: error.message };
    throw error;
  }
  if (sizeBytes !== manifest.sizeBytes)
    return { kind: "damaged", detail: `${sizeBytes} bytes are there where ${manifest.sizeBytes} were stored` };
  if (!hash.digest().equals(manifest.sha256))
    return { kind: "damaged", detail: "the bytes have another SHA-256 than those that were stored" };
  return "whole";
}
