import { spawn } from "node:child_process";
import { once } from "node:events";

/** One process of the product. What it writes is kept, for what the checker says about it (C9). */
export interface Program {
  readonly name: string;
  readonly pid: number;
  log(): string;
  /** Ends or stops it on purpose: from now on its end is no finding. */
  signal(signal: NodeJS.Signals): void;
  /** Resolves to how it ended. */
  readonly ended: Promise<string>;
  isRunning(): boolean;
  /** Did it end without having been told to? */
  diedByItself(): string | undefined;
}

export interface ProgramOptions {
  readonly name: string;
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
  /** With an IPC channel, as under `npm start`, where the process has less time to stop. */
  readonly underParent?: boolean;
}

/** Where the run keeps compiled modules: a process starts in half the time. */
const COMPILE_CACHE = process.env.NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE };
const FINAL = new Set<NodeJS.Signals>(["SIGTERM", "SIGINT", "SIGKILL"]);

export function startProgram({ name, file, env, underParent = false }: ProgramOptions): Program {
  const child = spawn(process.execPath, [file], {
    // Nothing of whoever runs the suite: a FILEMILL_ variable or the test runner's own options would change the product.
    env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "/", ...COMPILE_CACHE, ...env },
    stdio: ["ignore", "pipe", "pipe", ...(underParent ? (["ipc"] as const) : [])],
  });
  if (child.pid === undefined || child.stdout === null || child.stderr === null) throw new Error(`${name} could not be started`);
  let log = "";
  for (const output of [child.stdout, child.stderr]) output.setEncoding("utf8").on("data", (text: string) => (log += text));
  let told = false;
  let how: string | undefined;
  const ended = once(child, "exit").then(([code, signal]: (string | number | null)[]) => (how = String(signal ?? `code ${code}`)));
  return {
    name,
    pid: child.pid,
    log: () => log,
    signal(signal) {
      told ||= FINAL.has(signal);
      child.kill(signal);
    },
    ended,
    isRunning: () => how === undefined,
    diedByItself: () => (told ? undefined : how),
  };
}
