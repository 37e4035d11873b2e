/**
 * Public identifiers: a prefix that says what the thing is, then 26 characters of lower-case Crockford base32
 * holding the 128 bits of a UUID, most significant first. In the database they are plain uuids.
 */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

export const ID_PREFIXES = {
  tenant: "ten",
  user: "usr",
  key: "key",
  file: "file",
  job: "job",
  item: "item",
  task: "task",
  pipeline: "pipe",
  upload: "upl",
  bulk: "bulk",
  link: "link",
  schedule: "sch",
  webhook: "whk",
  event: "evt",
  worker: "wrk",
} as const;

export type IdKind = keyof typeof ID_PREFIXES;

/** `encodeId("file", "0190…")` gives `file_` and 26 characters. `uuid` is the canonical 36-character form. */
export function encodeId(kind: IdKind, uuid: string): string {
  let value = BigInt(`0x${uuid.replaceAll("-", "")}`);
  let text = "";
  for (let index = 0; index < 26; index++) {
    text = ALPHABET.charAt(Number(value & 31n)) + text;
    value >>= 5n;
  }
  return `${ID_PREFIXES[kind]}_${text}`;
}

/** The uuid inside a public id of this kind, or undefined where `text` is not one. */
export function decodeId(kind: IdKind, text: string): string | undefined {
  const prefix = `${ID_PREFIXES[kind]}_`;
  if (!text.startsWith(prefix) || text.length !== prefix.length + 26) return undefined;
  let value = 0n;
  for (const character of text.slice(prefix.length)) {
    const digit = ALPHABET.indexOf(character);
    if (digit < 0) return undefined;
    value = (value << 5n) | BigInt(digit);
  }
  if (value >> 128n !== 0n) return undefined;
  const hex = value.toString(16).padStart(32, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
