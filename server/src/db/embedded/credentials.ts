import { randomBytes } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { EmbeddedError } from "./embedded-error.ts";

/** Kept beside the cluster, readable by us alone: the passwords of its two users and the port of its last start. */
export interface Credentials {
  readonly adminPassword: string;
  readonly loginPassword: string;
  readonly port?: number;
}

/** Written before the cluster is made, so a cluster without them is one whose file was lost, which can't be healed here. */
export async function ensureCredentials(file: string, clusterExists: boolean): Promise<Credentials> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text !== undefined) return JSON.parse(text) as Credentials;
  if (clusterExists) {
    throw new EmbeddedError(
      "credentials_lost",
      `The database's passwords are gone: restore ${file} from a backup, or move its folder away to start empty.`,
    );
  }
  const made = { adminPassword: randomBytes(24).toString("hex"), loginPassword: randomBytes(24).toString("hex") };
  await writeCredentials(file, made);
  return made;
}

/** Replaces the file in one step that a power cut can't halve. */
export async function writeCredentials(file: string, credentials: Credentials): Promise<void> {
  const handle = await open(`${file}.new`, "w", 0o600);
  try {
    await handle.writeFile(JSON.stringify(credentials));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.new`, file);
}
