import type { SourceReference } from "../../jobs/sources/source.ts";

/** Is what was listed what this tenant has already? Told from the list alone: the object is not asked for. */
export function isUnchanged({ known, etag, sizeBytes }: SourceReference, { recollect }: { recollect?: boolean | undefined }): boolean {
  return recollect !== true && known !== undefined && etag !== undefined && known.etag === etag && known.sizeBytes === sizeBytes;
}
