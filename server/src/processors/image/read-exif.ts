/** Longer text fields (maker notes put as text, comments) are cut. */
const MAX_TEXT = 2_000;
const MAX_LIST = 100;

/**
 * EXIF fields by directory (`Image`, `Photo`, `GPSInfo`, …), values as JSON. Damaged EXIF gives null: the image is
 * still good. Binary fields (maker notes, thumbnails) are left out.
 */
export async function readExif(raw: Buffer): Promise<Record<string, Record<string, unknown>> | null> {
  const { default: parseExif } = await import("exif-reader");
  let parsed: Record<string, unknown>;
  try {
    parsed = { ...parseExif(raw) };
  } catch {
    return null;
  }
  const directories: [string, Record<string, unknown>][] = [];
  for (const [name, fields] of Object.entries(parsed)) {
    if (typeof fields !== "object" || fields === null || name === "Thumbnail" || name === "bigEndian") continue;
    const kept = Object.entries(fields).flatMap(([field, value]) => {
      const plain = toPlain(value);
      return plain === undefined ? [] : [[field, plain] as const];
    });
    directories.push([name, Object.fromEntries(kept)]);
  }
  return Object.fromEntries(directories);
}

function toPlain(value: unknown): unknown {
  if (typeof value === "string") return value.slice(0, MAX_TEXT);
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value === "boolean") return value;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (Array.isArray(value)) return value.slice(0, MAX_LIST).map(toPlain);
  return undefined;
}
