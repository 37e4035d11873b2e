/** What file systems take, and what the platform takes for a name. Bytes of UTF-8. */
const MAX_NAME_BYTES = 255;

/**
 * The name of an output that is called after its input: `a.png` with `.metadata.json`. Where both together would be longer
 * than 255 bytes, the input's name loses characters at its end, never the ending that says what the output is.
 */
export function derivedName(name: string, ending: string): string {
  const room = MAX_NAME_BYTES - Buffer.byteLength(ending);
  if (Buffer.byteLength(name) <= room) return name + ending;
  let kept = "";
  let bytes = 0;
  for (const character of name) {
    bytes += Buffer.byteLength(character);
    if (bytes > room) break;
    kept += character;
  }
  return kept + ending;
}
