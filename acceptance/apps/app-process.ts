import { once } from "node:events";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { until } from "../chaos/conditions.ts";

/** An app as a user starts it, seen from outside only. */
export interface AppProcess {
  /** Without a slash at the end. */
  readonly url: string;
  readonly pid: number;
  /** What it has written so far. */
  log(): string;
  /** SIGTERM; resolves to its exit code, or the signal that ended it. Idempotent. */
  stop(): Promise<number | string>;
}

const READY_WITHIN_MS = 120_000;
const STOPPED_WITHIN_MS = 30_000;

/**
 * `npm run app:<name>` on a free port. With FILEMILL_URL and FILEMILL_KEY in `environment` it uses that platform, else it
 * starts one of its own in FILEMILL_DATA_DIR. Rejects with its log where it does not begin to serve.
 */
export async function startApp(name: string, environment: Readonly<Record<string, string>>): Promise<AppProcess> {
  const child = spawn(process.execPath, [fileURLToPath(new URL(`../../apps/bin/${name}.ts`, import.meta.url))], {
    // Nothing of whoever runs the suite: a FILEMILL_ variable would change what is tested.
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "/", PORT: "0", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (child.pid === undefined) throw new Error(`${name} could not be started`);
  let log = "";
  for (const output of [child.stdout, child.stderr]) output.setEncoding("utf8").on("data", (text: string) => (log += text));
  const ended = once(child, "exit").then(([code, signal]: (number | string | null)[]) => signal ?? code ?? "");

  async function stop(): Promise<number | string> {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOPPED_WITHIN_MS);
    const how = await ended;
    clearTimeout(timer);
    return how;
  }

  const serving = new RegExp(`^${name}: (http://\\S+)/$`, "m");
  try {
    const url = await until(`${name} serves`, READY_WITHIN_MS, () => {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${name} has ended`);
      return serving.exec(log)?.[1];
    });
    return { url, pid: child.pid, log: () => log, stop };
  } catch (error) {
    await stop();
    throw new Error(`${name} does not serve:\n${log}`, { cause: error });
  }
}
