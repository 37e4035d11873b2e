import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { environmentOf, type Installation } from "./failpoints/processes.ts";

export interface OneJobProcess {
  /** When it has ended: its code, and what it said. */
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
  /** Resolves with the first line on stdout, the job's id; rejects where it ends without. */
  readonly job: Promise<string>;
  signal(name: NodeJS.Signals): void;
}

const running = new Set<OneJobProcess>();

/** `filemill worker --once …` or `filemill claim …` as the server's own program. */
export function startOneJobProcess(
  at: Installation,
  program: "worker-once" | "claim",
  options: { lane: string; words?: readonly string[]; variables?: Readonly<Record<string, string>> },
): OneJobProcess {
  const path = fileURLToPath(new URL(`../bin/${program}.ts`, import.meta.url));
  const child = spawn(process.execPath, [path, ...(options.words ?? [])], {
    env: {
      PATH: process.env["PATH"],
      ...environmentOf(at),
      FILEMILL_LANES: options.lane,
      FILEMILL_WORKER_SLOTS: "1",
      ...options.variables,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { stdout: "", stderr: "" };
  const job = Promise.withResolvers<string>();
  job.promise.catch(() => undefined);
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      said[name] += text;
      const [line, ...rest] = said.stdout.split("\n");
      if (line && rest.length > 0) job.resolve(line);
    });
  }
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.once("close", (code) => {
      running.delete(one);
      job.reject(new Error(`it ended (${code}) without a job:\n${said.stderr}`));
      resolve({ code, ...said });
    });
  });
  const one: OneJobProcess = { ended, job: job.promise, signal: (name) => void child.kill(name) };
  running.add(one);
  return one;
}

/** For afterAll: whatever a failed test left running. */
export async function endOneJobProcesses(): Promise<void> {
  for (const one of running) one.signal("SIGKILL");
  await Promise.all([...running].map((one) => one.ended));
}
