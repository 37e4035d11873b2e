import { execFile } from "node:child_process";
import { readFile, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { EmbeddedError } from "./embedded-error.ts";

/** The unprivileged user that PostgreSQL runs as where we are root, which it refuses to run as. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const run = promisify(execFile);

/** undefined where we are not root: PostgreSQL then runs as ourselves. As root, uses or makes the user "postgres". */
export async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const found = await findAccount("postgres");
  if (found) return found;
  const failures = [
    await attempt("useradd", ["--system", "--user-group", "--no-create-home", "postgres"]),
    await attempt("adduser", ["-S", "-D", "-H", "postgres"]),
  ];
  const made = await findAccount("postgres");
  if (made) return made;
  throw new EmbeddedError(
    "no_account",
    `PostgreSQL does not run as root and no user "postgres" could be made (${failures.filter(Boolean).join("; ")}). ` +
      "Start Filemill as another user, or make that user.",
  );
}

/** The first folder on the way to `path` that `account` may not pass, or undefined. What doesn't exist yet is no barrier. */
export async function findBarrier(path: string, account: Account): Promise<string | undefined> {
  const folders: string[] = [];
  for (let folder = await deepestExisting(path); ; folder = dirname(folder)) {
    folders.unshift(folder);
    if (dirname(folder) === folder) break;
  }
  for (const folder of folders) {
    const about = await stat(folder);
    // A file in the way stops us all; making the folder tells of it.
    if (!about.isDirectory()) continue;
    const { mode, uid, gid } = about;
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return folder;
  }
  return undefined;
}

async function deepestExisting(path: string): Promise<string> {
  for (let candidate = path; ; candidate = dirname(candidate)) {
    const real = await realpath(candidate).catch(() => undefined);
    if (real !== undefined) return real;
  }
}

async function findAccount(name: string): Promise<Account | undefined> {
  for (const line of (await readFile("/etc/passwd", "utf8")).split("\n")) {
    const [user, , uid, gid] = line.split(":");
    if (user === name) return { name, uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

async function attempt(program: string, args: string[]): Promise<string | undefined> {
  try {
    await run(program, args);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error);
  }
}
