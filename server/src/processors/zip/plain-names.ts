/** Longer names don't fit into the file systems where archives get unpacked. Bytes of UTF-8. */
const MAX_NAME_BYTES = 200;
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?=\.|$)/i;
// Controls, what Windows forbids, and characters that hide or turn the text around them.
// oxlint-disable-next-line no-control-regex -- these are what it looks for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f<>:"|?*\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/**
 * The last part of a name, as a name that is safe to show and to unpack on any system: `../../etc/passwd` → `passwd`,
 * `C:\x\CON.txt` → `_CON.txt`. Never empty, never a path.
 */
export function plainName(name: string): string {
  const last = name.split(/[/\\]/).findLast((part) => part.replaceAll(".", "").trim() !== "") ?? "";
  const cleaned = last
    .toWellFormed()
    .replaceAll(UNSAFE, "_")
    .replace(/[. ]+$/, "")
    .trimStart();
  const named = cleaned === "" ? "file" : cleaned.replace(WINDOWS_DEVICE, "_$&");
  return shorten(named);
}

/** Gives each name once, whatever its case: `a.txt`, then `A-2.txt`, then `a-3.txt`. */
export function createUniqueNames(): (name: string) => string {
  const taken = new Set<string>();
  const next = new Map<string, number>();
  return (name) => {
    const plain = plainName(name);
    const key = fold(plain);
    let candidate = plain;
    for (let number = next.get(key) ?? 2; taken.has(fold(candidate)); number++) {
      const { stem, extension } = split(plain);
      candidate = `${stem}-${number}${extension}`;
      next.set(key, number + 1);
    }
    taken.add(fold(candidate));
    return candidate;
  };
}

/** File systems of Windows and macOS hold names that differ only so for the same. */
function fold(name: string): string {
  return name.normalize("NFC").toLowerCase();
}

function split(name: string): { stem: string; extension: string } {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? { stem: name.slice(0, dot), extension: name.slice(dot) } : { stem: name, extension: "" };
}

function shorten(name: string): string {
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name;
  const { stem, extension } = split(name);
  const tail = Buffer.byteLength(extension) <= 20 ? extension : "";
  const head = tail === "" ? name : stem;
  let kept = "";
  let bytes = Buffer.byteLength(tail);
  for (const character of head) {
    bytes += Buffer.byteLength(character);
    if (bytes > MAX_NAME_BYTES) break;
    kept += character;
  }
  return kept + tail;
}
