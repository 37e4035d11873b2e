/**
 * Text from a processor, and so perhaps from a hostile input, made fit to be recorded: PostgreSQL refuses NUL in text and
 * lone surrogates in jsonb, and one such message would spoil the completion of a whole task. Line breaks and tabs become
 * spaces, other control characters go. At most `maxCharacters` code points, so that no character is cut in two.
 */
export function cleanText(text: string, maxCharacters: number): string {
  // A code point is at most two units; what follows is not worth looking at.
  const start = text.slice(0, SLACK * maxCharacters).toWellFormed();
  const plain = start.replaceAll(SPACES, " ").replaceAll(CONTROLS, "").trim();
  const characters = [...plain];
  if (characters.length <= maxCharacters && text.length <= SLACK * maxCharacters) return plain;
  return `${characters.slice(0, maxCharacters - 1).join("")}…`;
}

/** A file's name as a user will see it, at most 1,024 bytes of UTF-8, as its column wants it. Never empty. */
export function cleanName(name: string): string {
  const plain = cleanText(name, MAX_NAME_BYTES) || "output";
  const bytes = Buffer.from(plain);
  if (bytes.length <= MAX_NAME_BYTES) return plain;
  // The character that the cut went through is decoded as U+FFFD, once or more.
  return `${bytes
    .subarray(0, MAX_NAME_BYTES - 3)
    .toString()
    .replace(/\ufffd+$/u, "")}…`;
}

/** What is no media type (RFC 6838 §4.2, without parameters) is a plain stream of bytes. */
export function cleanMediaType(mediaType: string): string {
  return mediaType.length <= MAX_MEDIA_TYPE && MEDIA_TYPE.test(mediaType) ? mediaType : "application/octet-stream";
}

const SLACK = 4;
const MAX_NAME_BYTES = 1_024;
const MAX_MEDIA_TYPE = 255;
const SPACES = /[\t\n\v\f\r\u2028\u2029]+/g;
const CONTROLS = /\p{Cc}/gu;
const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*(?: *;[\x20-\x7e]*)?$/i;
