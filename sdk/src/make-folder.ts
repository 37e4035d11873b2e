import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it, level by level: `mkdir` with `recursive` goes round in circles for ever, out of reach
 * of any signal, where a file system answers ENOENT for a folder whose parent is there (Node 24, /proc). Rejects as
 * node:fs does, ENOTDIR where a file is in the way. Gives
 * the folders that it made, the uppermost first.
 */
export async function makeFolder(path: string): Promise<string[]> {
  const missing: string[] = [];
  for (let level = path; !(await isThere(level)); level = dirname(level)) missing.unshift(level);
  const made: string[] = [];
  for (const level of missing) {
    try {
      await mkdir(level);
      made.push(level);
    } catch (error) {
      // Somebody else made it meanwhile.
      if (!hasCode(error, "EEXIST")) throw error;
    }
  }
  return made;
}

async function isThere(path: string): Promise<boolean> {
  try {
    const about = await stat(path);
    if (about.isDirectory()) return true;
  } catch (error) {
    if (hasCode(error, "ENOENT") && dirname(path) !== path) return false;
    throw error;
  }
  throw Object.assign(new Error(`${path} is not a folder`), { code: "ENOTDIR", path });
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
