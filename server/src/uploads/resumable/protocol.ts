/** What we speak: tus 1.0.0, https://tus.io/protocols/resumable-upload. Quoted sentences in this folder are from there. */
export const TUS_VERSION = "1.0.0";

export const TUS_EXTENSIONS = [
  "creation",
  "creation-with-upload",
  "creation-defer-length",
  "expiration",
  "checksum",
  "termination",
  "concatenation",
] as const;

/** Of every body that carries a part of an upload. */
export const OFFSET_MEDIA_TYPE = "application/offset+octet-stream";

/**
 * Objects that one upload may consist of. A PATCH ends at least one of them, so that a client that sends 5 GiB in parts of
 * 512 KiB stays below it; reading a file of so many costs a look at its manifest of about 2 MB.
 */
export const MAX_SEGMENTS = 10_000;
