import { spawn } from "node:child_process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { DEMO_PROCESSORS } from "../engine/platform.ts";
import { TEST_ROOT_KEY } from "../tenant-keys.ts";
import { compileCache } from "../warm-compile-cache.ts";

/** One of our programs as a process of its own, in the environment that it would have in production. */
export interface RealProcess {
  readonly pid: number;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Where an API listens; rejects where it ends before. */
  readonly port: Promise<number>;
  /** It does its work, and a SIGTERM drains it instead of ending it; rejects where it ends before. */
  readonly ready: Promise<unknown>;
  output(): string;
  signal(name: NodeJS.Signals): void;
}

export interface Installation {
  readonly databaseUrl: string;
  readonly storeFolder: string;
  readonly dataFolder: string;
}

const running = new Set<RealProcess>();

export function startWorkerProcess(
  at: Installation,
  options: { lanes: readonly string[]; failpoint?: string; slots?: number; variables?: Record<string, string> },
): RealProcess {
  return start("worker", {
    ...environmentOf(at),
    FILEMILL_LANES: options.lanes.join(","),
    FILEMILL_WORKER_SLOTS: String(options.slots ?? 1),
    FAILPOINT: options.failpoint ?? "",
    ...options.variables,
  });
}

export function startApiProcess(
  at: Installation,
  options: { failpoint?: string; key?: string; variables?: Record<string, string> } = {},
): RealProcess {
  return start("api", {
    ...environmentOf(at),
    FILEMILL_PORT: "0",
    FILEMILL_BOOTSTRAP_KEY: options.key ?? "",
    FAILPOINT: options.failpoint ?? "",
    ...options.variables,
  });
}

export function startMigrateProcess(urls: { url: string; adminUrl: string }, failpoint = ""): RealProcess {
  return start("migrate", { FILEMILL_DATABASE_URL: urls.url, FILEMILL_DATABASE_ADMIN_URL: urls.adminUrl, FAILPOINT: failpoint });
}

/** For afterAll: whatever a failed test left running. */
export async function endProcesses(): Promise<void> {
  for (const one of running) one.signal("SIGKILL");
  await Promise.all([...running].map((one) => one.exited));
}

/** Of a program of ours on this installation. */
export function environmentOf({ databaseUrl, storeFolder, dataFolder }: Installation): Record<string, string> {
  return {
    FILEMILL_DATABASE_URL: databaseUrl,
    FILEMILL_DATA_DIR: dataFolder,
    FILEMILL_STORAGE_URL: pathToFileURL(storeFolder).href,
    FILEMILL_ROOT_KEY: TEST_ROOT_KEY,
    FILEMILL_EXTRA_PROCESSORS: DEMO_PROCESSORS,
    FILEMILL_LOG_LEVEL: "warn",
    ...compileCache(),
  };
}

/** With an IPC channel, as under `npm start`: it tells when it is ready, and ends when we do. */
function start(name: "worker" | "api" | "migrate", env: Record<string, string>): RealProcess {
  const program = fileURLToPath(new URL(`../../bin/${name}.ts`, import.meta.url));
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const port = Promise.withResolvers<number>();
  port.promise.catch(() => undefined);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.on("message", (message: { type?: string; port?: number }) => {
    if (message.type === "ready") port.resolve(message.port ?? 0);
  });
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once("exit", (code, signal) => {
      running.delete(one);
      port.reject(new Error(`the ${name} process ended (${signal ?? code}):\n${output}`));
      resolve({ code, signal });
    });
  });
  const one: RealProcess = {
    pid: child.pid ?? 0,
    exited,
    port: port.promise,
    ready: port.promise,
    output: () => output,
    signal: (signal) => void child.kill(signal),
  };
  running.add(one);
  return one;
}
