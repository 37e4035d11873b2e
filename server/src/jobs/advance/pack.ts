import { parseSize } from "@filemill/contract/parse-units.ts";
import type { Batch } from "@filemill/contract/pipeline.ts";

/**
 * What a task holds unless the step says otherwise: many small files, or one large one. A million 1 KiB files are 20,000
 * tasks; twenty photos of 2 MB are twenty, so that all workers get some.
 */
export const DEFAULT_BATCH_ITEMS = 50;
export const DEFAULT_BATCH_BYTES = 2 * 1024 * 1024;

/** Cuts entries, in their order, into the lists that one task each will hold. */
export function pack<T extends { readonly sizeBytes: number }>(entries: readonly T[], batch: Batch | undefined): T[][] {
  const { items, bytes } = limits(entries.length, batch);
  const packs: T[][] = [];
  let current: T[] = [];
  let currentBytes = 0;
  for (const entry of entries) {
    if (current.length > 0 && (current.length >= items || currentBytes + entry.sizeBytes > bytes)) {
      packs.push(current);
      current = [];
      currentBytes = 0;
    }
    current.push(entry);
    currentBytes += entry.sizeBytes;
  }
  if (current.length > 0) packs.push(current);
  return packs;
}

function limits(count: number, batch: Batch | undefined): { items: number; bytes: number } {
  if (!batch) return { items: DEFAULT_BATCH_ITEMS, bytes: DEFAULT_BATCH_BYTES };
  if ("items" in batch) return { items: batch.items, bytes: Number.POSITIVE_INFINITY };
  if ("bytes" in batch) return { items: Number.POSITIVE_INFINITY, bytes: parseSize(batch.bytes) };
  return { items: Math.max(1, Math.floor(batch.fraction * count)), bytes: Number.POSITIVE_INFINITY };
}
