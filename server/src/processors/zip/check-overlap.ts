import type { Entry } from "yauzl";
import { findOverlap } from "../../zip/find-overlap.ts";
import { BadInput, type InputFile } from "../processor.ts";

/** Refuses archives whose entries share bytes; see zip/find-overlap.ts. */
export function checkOverlap(entries: readonly Entry[], input: InputFile): void {
  const extents = entries.map((entry) => ({ offset: entry.relativeOffsetOfLocalHeader, packedBytes: entry.compressedSize }));
  const at = (index: number) => extents[index] ?? { offset: 0, packedBytes: 0 };
  const dishonest = findOverlap({ length: extents.length, at }, input.sizeBytes);
  if (dishonest !== undefined) throw new BadInput("corrupt", `"${input.name}" is not an honest zip: ${dishonest}.`);
}
