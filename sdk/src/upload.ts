import type { Metadata } from "@filemill/contract/files.ts";
import type { PipelineDocument } from "@filemill/contract/pipeline.ts";

/** A content and its name. A Blob knows its length and is read as it is sent; disk.ts makes one from a path. */
export interface Upload {
  readonly name: string;
  readonly content: Blob;
  /** What it hashes to, in hex: `put` sends it along, and other bytes are refused. disk.ts makes it from a path. */
  readonly sha256?: string | undefined;
}

export interface UploadOptions {
  readonly metadata?: Metadata | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface RunOptions extends UploadOptions {
  /** The name of a pipeline or a document. */
  readonly pipeline: string | PipelineDocument;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
}
