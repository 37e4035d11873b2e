import type { Metadata } from "@filemill/contract/files.ts";

/** A file whose bytes are durable and whose rows are not there yet; record-files.ts makes those. */
export interface StoredFile {
  /** UUIDv7. */
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly sizeBytes: number;
  /** 32 bytes, of the plain content. */
  readonly sha256: Buffer;
  readonly mediaType: string;
  readonly origin: "upload" | "output" | "intermediate";
  /** Of outputs and intermediates. */
  readonly jobId?: string;
  readonly step?: string;
  readonly metadata: Metadata;
  readonly content: StoredContent;
}

/** Up to MAX_INLINE_BYTES in the row's own transaction; everything larger as objects, in order. */
export type StoredContent = { readonly inline: Buffer } | { readonly segments: readonly StoredSegment[] };

export interface StoredSegment {
  /** Name of the object store. */
  readonly store: string;
  readonly key: string;
  readonly sizeBytes: number;
}

export const MAX_INLINE_BYTES = 16 * 1_024;
export const MAX_SEGMENT_BYTES = 64 * 2 ** 20;
