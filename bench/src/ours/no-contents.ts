import type { ContentStore } from "@filemill/server/src/storage/content-store.ts";

const refuse = () => Promise.reject(new Error("A row without files touched stored content"));

/** For rows about the queue alone: any use of it but the disposal of nothing is a mistake of the row. */
export const noContents: ContentStore = {
  write: refuse,
  writeSmall: refuse,
  writeWhole: refuse,
  writeSegment: refuse,
  read: refuse,
  bytes: refuse,
  discard: () => Promise.resolve(),
};
