import { homedir } from "node:os";
import { join } from "node:path";

/** Where it is kept which uploads were begun: what may be deleted at any time, at the cost of sending again. */
export function uploadsFolder(environment: Readonly<Record<string, string | undefined>>): string {
  if (process.platform === "darwin") return join(homedir(), "Library", "Caches", "filemill", "uploads");
  if (process.platform === "win32") return join(environment["LOCALAPPDATA"] ?? homedir(), "filemill", "uploads");
  return join(environment["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "filemill", "uploads");
}
