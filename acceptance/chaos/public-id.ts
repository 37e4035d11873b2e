const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** The uuid in an id such as `job_01…`: 26 characters of Crockford's base32. Written again here, because the checker shares no code with what it checks. */
export function uuidOf(id: string): string {
  let value = 0n;
  for (const character of id.slice(id.indexOf("_") + 1)) value = (value << 5n) | BigInt(ALPHABET.indexOf(character));
  const hex = value.toString(16).padStart(32, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
