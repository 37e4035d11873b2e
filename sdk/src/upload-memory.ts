import { createHash } from "node:crypto";
import { mkdir, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Which uploads were begun and not finished, over the end of a process; Node only. */
export interface UploadMemory {
  find(fingerprint: string): Promise<string | undefined>;
  keep(fingerprint: string, path: string): Promise<void>;
  forget(fingerprint: string): Promise<void>;
}

/** A small file for each upload in `folder`, which is made. */
export function memoryIn(folder: string): UploadMemory {
  const fileOf = (fingerprint: string) => join(folder, fingerprint);
  return {
    async find(fingerprint) {
      return (await readFile(fileOf(fingerprint), "utf8").catch(() => undefined))?.trim() || undefined;
    },
    async keep(fingerprint, path) {
      await mkdir(folder, { recursive: true });
      await writeFile(fileOf(fingerprint), `${path}\n`, { mode: 0o600 });
    },
    forget: (fingerprint) => rm(fileOf(fingerprint), { force: true }),
  };
}

/**
 * What makes an upload the same as one that was begun before: the file (its place, size and time of change), and what it is
 * to become. A file that was changed meanwhile is another one. Rejects as node:fs does.
 */
export async function fingerprintOf(path: string, becomes: unknown): Promise<string> {
  const [place, { size, mtimeMs }] = await Promise.all([realpath(path), stat(path)]);
  return createHash("sha256")
    .update(JSON.stringify([place, size, mtimeMs, becomes]))
    .digest("hex");
}
