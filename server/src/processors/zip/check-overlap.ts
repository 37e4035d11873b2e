import type { Entry } from "yauzl";
import { BadInput, type InputFile } from "../processor.ts";

const LOCAL_HEADER_BYTES = 30;

/**
 * Refuses archives whose entries share bytes. Such a zip of 941 KB unpacks to 19 GiB with a ratio that looks harmless
 * entry by entry, because all of them point at the same packed data. An honest archive never does this.
 */
export function checkOverlap(entries: readonly Entry[], input: InputFile): void {
  const bad = (what: string): BadInput => new BadInput("corrupt", `"${input.name}" is not an honest zip: ${what}.`);
  let packedBytes = 0;
  for (const entry of entries) {
    packedBytes += entry.compressedSize;
    if (!isOffset(entry.compressedSize) || packedBytes > input.sizeBytes) throw bad("its entries claim more packed bytes than it has");
    if (!isOffset(entry.relativeOffsetOfLocalHeader) || end(entry) > input.sizeBytes) throw bad("an entry lies beyond its end");
  }
  const byOffset = [...entries].sort((a, b) => a.relativeOffsetOfLocalHeader - b.relativeOffsetOfLocalHeader);
  for (const [index, entry] of byOffset.entries()) {
    const next = byOffset[index + 1];
    if (next && end(entry) > next.relativeOffsetOfLocalHeader) throw bad("its entries overlap");
  }
}

/** The least that an entry occupies: the name in its local header may differ from the one in the directory. */
function end(entry: Entry): number {
  return entry.relativeOffsetOfLocalHeader + LOCAL_HEADER_BYTES + entry.compressedSize;
}

function isOffset(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
