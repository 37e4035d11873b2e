const LOCAL_HEADER_BYTES = 30;

/** Where an entry says that its bytes are: as numbers, so that a million of them are 16 MB. */
export interface ZipExtent {
  readonly offset: number;
  readonly packedBytes: number;
}

/**
 * What is dishonest about entries that share bytes, or undefined. A zip of 941 KB unpacks to 19 GiB with a ratio that
 * looks harmless entry by entry, because all of them point at the same packed data. An honest archive never does this.
 */
export function findOverlap(entries: { readonly length: number; at(index: number): ZipExtent }, zipBytes: number): string | undefined {
  let total = 0;
  for (let index = 0; index < entries.length; index++) {
    const entry = entries.at(index);
    total += entry.packedBytes;
    if (!isOffset(entry.packedBytes) || total > zipBytes) return "its entries claim more packed bytes than it has";
    if (!isOffset(entry.offset) || endOf(entry) > zipBytes) return "an entry lies beyond its end";
  }
  const byOffset = Uint32Array.from({ length: entries.length }, (_none, index) => index);
  byOffset.sort((left, right) => entries.at(left).offset - entries.at(right).offset);
  for (let place = 1; place < byOffset.length; place++) {
    const [before, after] = [byOffset[place - 1] ?? 0, byOffset[place] ?? 0];
    if (endOf(entries.at(before)) > entries.at(after).offset) return "its entries overlap";
  }
  return undefined;
}

/** The least that an entry occupies: the name in its local header may differ from the one in the directory. */
function endOf({ offset, packedBytes }: ZipExtent): number {
  return offset + LOCAL_HEADER_BYTES + packedBytes;
}

function isOffset(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
