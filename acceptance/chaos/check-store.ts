import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import type { Site } from "./site.ts";

interface FileRow {
  readonly id: string;
  readonly size: number;
  readonly sha256: string;
  readonly inline: string | null;
  readonly keys: readonly (string | null)[];
}

/** What a killed process was writing stays for an hour, and then until the next garbage collection. */
const TEMP_MAX_AGE_MS = 70 * 60 * 1_000;

/**
 * C6, past the product: every stored file has its bytes, in its row or in its objects, and they are what its hash says;
 * no temp file is left for long. Objects without a row are only counted.
 */
export async function checkStore({ database, storeFolder }: Site): Promise<{ findings: string[]; orphans: number }> {
  const findings: string[] = [];
  const objects = await objectsIn(storeFolder);
  const rows = await database.query<FileRow>(`
    SELECT id, size_bytes::float8 AS size, encode(sha256, 'hex') AS sha256,
      (SELECT encode(sha256(content), 'hex') FROM filemill.inline_objects WHERE file_id = files.id) AS inline,
      ARRAY(SELECT object_key FROM filemill.segments WHERE file_id = files.id ORDER BY ordinal) AS keys
    FROM filemill.files WHERE status = 'stored'`);
  for (const row of rows) {
    if (row.inline !== null) {
      if (row.inline !== row.sha256) findings.push(`C6: the inline bytes of file ${row.id} are not what its hash says`);
      continue;
    }
    const paths = row.keys.map((key) => objects.get(key ?? ""));
    const missing = row.keys.filter((key) => !objects.has(key ?? ""));
    if (row.keys.length === 0) findings.push(`C6: file ${row.id} has a row and no bytes`);
    else if (missing.length > 0) findings.push(`C6: file ${row.id} has a row and no object ${missing.join()}`);
    else if ((await hashOf(paths)) !== row.sha256) findings.push(`C6: the objects of file ${row.id} are not what its hash says`);
  }
  const known = new Set(rows.flatMap(({ keys }) => keys));
  const temps = await tempsThatStay(storeFolder);
  if (temps.length > 0) findings.push(`C6: temp files are left: ${temps.join(", ")}`);
  return { findings, orphans: [...objects.keys()].filter((key) => !known.has(key)).length };
}

/** Key → path. An object lies in objects/<first part of its key>/<shard>/<other parts joined by dots>. */
async function objectsIn(storeFolder: string): Promise<Map<string, string>> {
  const root = join(storeFolder, "objects");
  const found = new Map<string, string>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const [first = ""] = relative(root, path).split(sep);
    found.set(`${first}/${entry.name.replaceAll(".", "/")}`, path);
  }
  return found;
}

async function hashOf(paths: readonly (string | undefined)[]): Promise<string> {
  const hash = createHash("sha256");
  for (const path of paths) for await (const chunk of createReadStream(path ?? "")) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

async function tempsThatStay(storeFolder: string): Promise<string[]> {
  const folder = join(storeFolder, "tmp");
  const temps = await Promise.all(
    (await readdir(folder)).map(async (name) => ({ name, found: await stat(join(folder, name)).catch(() => undefined) })),
  );
  return temps.flatMap(({ name, found }) =>
    found !== undefined && Date.now() - found.mtimeMs > TEMP_MAX_AGE_MS ? [`${name} (${found.size} bytes)`] : [],
  );
}
