import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import type { Site } from "./site.ts";
import { unsealerOf, type SealRow, type Unsealer } from "./unseal.ts";

interface FileRow {
  readonly id: string;
  readonly sha256: string;
}

/** One object of a file: bytes in a row, or a key in the store. */
interface ObjectRow {
  readonly file: string;
  readonly key: string | null;
  readonly inline: Buffer | null;
  /** Null: plain. */
  readonly seal: SealRow | null;
}

/** What a killed process was writing stays for an hour, and then until the next garbage collection. */
const TEMP_MAX_AGE_MS = 70 * 60 * 1_000;

/**
 * C6, past the product: every stored file has its bytes, in its row or in its objects, and they are what its hash says;
 * no temp file is left for long. Objects without a row are only counted.
 */
export async function checkStore(site: Site): Promise<{ findings: string[]; orphans: number }> {
  const { database, storeFolder } = site;
  const findings: string[] = [];
  const objects = await objectsIn(storeFolder);
  const rows = await database.query<FileRow>(`SELECT id, encode(sha256, 'hex') AS sha256 FROM filemill.files WHERE status = 'stored'`);
  const objectRows = Map.groupBy(await readObjects(database), ({ file }) => file);
  const unsealer = await unsealerOf(site);
  for (const { id, sha256 } of rows) {
    const parts = objectRows.get(id) ?? [];
    const missing = parts.filter(({ key, inline }) => inline === null && !objects.has(key ?? ""));
    if (parts.length === 0) findings.push(`C6: file ${id} has a row and no bytes`);
    else if (missing.length > 0) findings.push(`C6: file ${id} has a row and no object ${missing.map(({ key }) => key).join()}`);
    else if ((await hashOf(parts, { objects, unsealer })) !== sha256)
      findings.push(`C6: the bytes of file ${id} are not what its hash says`);
  }
  const known = new Set([...objectRows.values()].flat().map(({ key }) => key));
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

async function readObjects(database: Site["database"]): Promise<ObjectRow[]> {
  const sealed = `CASE WHEN encoding = 0 THEN NULL ELSE json_build_object('object', object_keys.object_id, 'tenant', object_keys.tenant_id,
    'kek', kek_id, 'kekVersion', kek_version, 'dek', encode(wrapped_dek, 'hex'), 'rootVersion', root_version, 'wrapped', encode(wrapped_key, 'hex')) END`;
  const keys = `LEFT JOIN filemill.object_keys ON object_keys.object_id = parts.object_id
    LEFT JOIN filemill.tenant_keys ON tenant_keys.id = kek_id AND tenant_keys.version = kek_version`;
  const rows = await database.query<ObjectRow & { seal: Record<"dek" | "wrapped", string> | null }>(`
    SELECT file, key, inline, ${sealed} AS seal FROM (
      SELECT file_id AS file, ordinal, object_key AS key, NULL::bytea AS inline, encoding, object_id FROM filemill.segments
      UNION ALL SELECT file_id, 0, NULL, content, encoding, file_id FROM filemill.inline_objects) AS parts ${keys} ORDER BY file, ordinal`);
  return rows.map((row) => {
    if (row.seal === null) return row;
    return { ...row, seal: { ...row.seal, dek: Buffer.from(row.seal.dek, "hex"), wrapped: Buffer.from(row.seal.wrapped, "hex") } };
  });
}

/** Undefined where an object can't be opened. */
async function hashOf(
  parts: readonly ObjectRow[],
  { objects, unsealer }: { objects: ReadonlyMap<string, string>; unsealer: Unsealer },
): Promise<string | undefined> {
  const hash = createHash("sha256");
  for (const { key, inline, seal } of parts) {
    const stored = inline ?? (await readFile(objects.get(key ?? "") ?? ""));
    const content = seal === null ? stored : unsealer.open(stored, seal);
    if (content === undefined) return undefined;
    hash.update(content);
  }
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
