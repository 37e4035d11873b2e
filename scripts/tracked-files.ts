import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";

export const ROOT = resolve(import.meta.dirname, "..");

/** Paths of the project's own files, relative to its root: those in git and new ones that git does not ignore. */
export async function trackedFiles(): Promise<string[]> {
  const list = ["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "-z"];
  const { stdout } = await promisify(execFile)("git", list, { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 });
  const deleted = await promisify(execFile)("git", ["ls-files", "--deleted", "-z"], { cwd: ROOT });
  const gone = new Set(deleted.stdout.split("\0"));
  return stdout.split("\0").filter((path) => path !== "" && !gone.has(path));
}
