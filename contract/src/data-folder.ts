import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Where one machine keeps its embedded database, its files and `admin.key`: FILEMILL_DATA_DIR, else a folder of the user.
 * The server and the command line tool must agree on it, and neither imports the other. Node only.
 *
 * root gets a folder outside its home: PostgreSQL refuses to run as root, and the unprivileged user that runs it
 * instead can't enter /root (mode 0700).
 */
export function dataFolder(environment: Readonly<Record<string, string | undefined>>): string {
  const chosen = environment["FILEMILL_DATA_DIR"];
  if (chosen) return chosen;
  if (process.platform === "darwin") return join(homedir(), "Library", "Application Support", "filemill");
  if (process.platform === "win32") return join(environment["LOCALAPPDATA"] ?? homedir(), "filemill");
  if (process.getuid?.() === 0) return "/var/lib/filemill";
  return join(environment["XDG_DATA_HOME"] || join(homedir(), ".local", "share"), "filemill");
}

/** Where our own processes keep compiled code between starts. Step hosts have a folder of their own, which they can't write to. */
export function compileCacheFolder(folder: string): string {
  return join(folder, "compile-cache");
}

/** The API key of the first administrator, written at the first start (mode 0600). */
export function adminKeyFile(folder: string): string {
  return join(folder, "admin.key");
}
