import { execFile } from "node:child_process";
import { existsSync, lstatSync, readlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/**
 * What surrounds a step host. bwrap gives it namespaces of its own: no network, no other processes to see, a read-only
 * tree with the system's libraries, node and this project's code, and one folder to write to, `/scratch`. In `none` only
 * the limits of the process remain; anything that takes the process over can then read what the worker's user can.
 */
export type Sandbox =
  | { readonly mode: "bwrap"; readonly codecs: true; readonly profile: readonly string[] }
  | { readonly mode: "none"; readonly codecs: boolean; readonly reason: string };

export interface SandboxedCommand {
  readonly command: readonly string[];
  /** The host's folder as the command sees it. */
  readonly scratch: string;
}

/** Where bwrap and codecs' programs are looked for; the worker's own PATH may name folders that a host must not see. */
export const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const PROJECT = fileURLToPath(new URL("../../../../", import.meta.url));
const PROBE_TIMEOUT_MS = 10_000;

/** Strictest first. The second is for bwrap before 0.8, the third for root where user namespaces are switched off. */
const PROFILES = [
  ["--unshare-user", "--disable-userns", "--cap-drop", "ALL"],
  ["--unshare-user", "--cap-drop", "ALL"],
  ["--cap-drop", "ALL"],
] as const;

/**
 * Finds out, by running node in it, whether bwrap works for this user on this machine. `required`: without it codec
 * processors are refused (`codecs` false); `best-effort`: they run, and the start says so with `reason`.
 */
export async function detectSandbox(policy: "required" | "best-effort"): Promise<Sandbox> {
  let reason = "";
  for (const profile of PROFILES) {
    const sandbox = { mode: "bwrap", codecs: true, profile } as const;
    const [file, ...args] = sandboxed(sandbox, { command: [process.execPath, "--version"], writable: undefined, readOnly: [] }).command;
    try {
      await promisify(execFile)(file ?? "bwrap", args, { env: { PATH: SYSTEM_PATH }, timeout: PROBE_TIMEOUT_MS });
      return sandbox;
    } catch (error) {
      reason = firstReason(error);
    }
  }
  return { mode: "none", codecs: policy === "best-effort", reason };
}

/** Wraps `command`. `writable` is bound as /scratch; `readOnly` are further folders with code. */
export function sandboxed(
  sandbox: Sandbox,
  host: { command: readonly string[]; writable: string | undefined; readOnly: readonly string[] },
): SandboxedCommand {
  if (sandbox.mode === "none") return { command: host.command, scratch: host.writable ?? "/" };
  const code = [dirname(process.execPath), ...PROJECT_FOLDERS.map((folder) => join(PROJECT, folder)), ...host.readOnly];
  const command = [
    "bwrap",
    ...sandbox.profile,
    ...["--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--new-session", "--die-with-parent"],
    ...SYSTEM_FOLDERS.flatMap(bindSystem),
    ...["--proc", "/proc", "--dev", "/dev"],
    // tmpfs is memory that no process owns: as little as semaphores and wasm threads need.
    ...["--size", String(16 * 1024 * 1024), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"],
    ...code.flatMap((folder) => ["--ro-bind-try", folder, folder]),
    ...(host.writable === undefined ? [] : ["--bind", host.writable, "/scratch"]),
    // Some libraries write to /tmp whatever TMPDIR says. Where code lies under /tmp it stays a read-only folder.
    ...(code.some((folder) => folder.startsWith("/tmp/")) ? [] : ["--symlink", "scratch/tmp", "/tmp"]),
    ...["--remount-ro", "/", "--chdir", host.writable === undefined ? "/" : "/scratch", "--"],
    ...host.command,
  ];
  return { command, scratch: "/scratch" };
}

/** Not the whole project: a data folder or an .env may lie in it. */
const PROJECT_FOLDERS = [
  "package.json",
  "node_modules",
  "contract/package.json",
  "contract/src",
  "contract/node_modules",
  "server/package.json",
  "server/src",
  "server/bin",
  "server/node_modules",
];

/** Not all of /usr: people keep sources with their data in /usr/src and /usr/local. */
const SYSTEM_FOLDERS = [
  ...["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"],
  ...["bin", "sbin", "lib", "lib32", "lib64", "libx32", "libexec", "share"].map((name) => `/usr/${name}`),
  ...["bin", "lib", "share"].map((name) => `/usr/local/${name}`),
  ...["ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime"].map((name) => `/etc/${name}`),
];

function bindSystem(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  // With a merged /usr, /bin and /lib are links and must stay links, or the loader is found at two places.
  return lstatSync(path).isSymbolicLink() ? ["--symlink", readlinkSync(path), path] : ["--ro-bind", path, path];
}

function firstReason(error: unknown): string {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return "bwrap is not installed";
  const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
  return said.split("\n", 1)[0] || (error instanceof Error ? (error.message.split("\n", 1)[0] ?? "") : "bwrap failed");
}
