import { Problem } from "../../errors.ts";

/** One thing in an archive, in its order. The content has to be read to its end before the next entry is asked for. */
export type ArchiveEntry = ArchivedFile | ArchivedOther;

export interface ArchivedFile {
  readonly kind: "file";
  /** As the archive has it, with folders and all: data, never a path. */
  readonly name: string;
  readonly content: AsyncIterable<Buffer>;
}

/** What is no regular file and is passed over. */
export interface ArchivedOther {
  readonly kind: "folder" | "symbolic_link" | "hard_link" | "device" | "fifo" | "sparse_file" | "unknown";
  readonly name: string;
}

export interface OpenArchive {
  readonly entries: AsyncIterable<ArchiveEntry>;
  /** Bytes of the body that were read so far: what a ratio is measured against. */
  readonly packedBytes: () => number;
}

/** The archive is not what it should be. Whoever knows which entries came before says so. */
export function badArchive(what: string, cause?: unknown): Problem {
  return new Problem("validation_failed", `The archive can't be read: ${what}.`, { cause });
}
