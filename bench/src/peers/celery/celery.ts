import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { startRabbitMq } from "../rabbitmq-server.ts";

/** Celery with worker processes on a RabbitMQ of its own, and a driver that hands out the work. */
export interface Celery {
  /** Pairs of the image and where its thumbnail goes. */
  thumbnails(pairs: readonly (readonly [source: string, target: string])[], side: number): Promise<void>;
  /** Files of random numbers, made, summed by five in a tree and divided; gives the averages. */
  averages(size: { readonly folder: string; readonly files: number; readonly columns: number }): Promise<{ tasks: number; result: string }>;
  close(): Promise<void>;
}

/** Debian's, whose packages hold Celery; another one may come first on the path. */
const PYTHON = "/usr/bin/python3";
const READY_WITHIN_MS = 60_000;

export async function startCelery({ workers }: { readonly workers: number }): Promise<Celery> {
  const broker = await startRabbitMq();
  const env = { PATH: process.env["PATH"], PEER_BROKER: broker.url, PYTHONDONTWRITEBYTECODE: "1", C_FORCE_ROOT: "1" };
  const options = { cwd: import.meta.dirname, env };
  const children: ChildProcess[] = [];
  const close = async () => {
    await Promise.all(children.map(end));
    await broker.close();
  };
  try {
    const arguments_ = [
      "-m",
      "celery",
      "--app",
      "tasks",
      "worker",
      "--concurrency",
      String(workers),
      "--loglevel",
      "INFO",
      "--without-mingle",
    ];
    const worker = spawn(PYTHON, arguments_, { ...options, stdio: ["ignore", "ignore", "pipe"], detached: true });
    children.push(worker);
    await says(worker, / ready\.$/m);
    const driver = spawn(PYTHON, ["driver.py"], { ...options, stdio: ["pipe", "pipe", "inherit"], detached: true });
    children.push(driver);
    const answers = createInterface({ input: driver.stdout })[Symbol.asyncIterator]();
    const ask = async (request: object): Promise<unknown> => {
      driver.stdin.write(`${JSON.stringify(request)}\n`);
      const { done, value } = await answers.next();
      if (done) throw new Error("Celery's driver has ended; what it said is above.");
      return JSON.parse(value);
    };
    return {
      thumbnails: async (pairs, side) => void (await ask({ work: "thumbnails", pairs, side })),
      // As driver.py prints it.
      averages: async (size) => (await ask({ work: "averages", ...size })) as { tasks: number; result: string },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function says(child: ChildProcess, text: RegExp): Promise<void> {
  let said = "";
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`Celery is not ready:\n${said}`)), READY_WITHIN_MS);
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`Celery can't run; install it: apt-get install python3-celery python3-pil\n${said}`)));
    // Read on also when it is ready, or a full pipe would stop it.
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
      said = (said + chunk).slice(-10_000);
      if (!text.test(said)) return;
      clearTimeout(timer);
      resolve();
    });
  });
}

/** The whole group: a worker has children. */
async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  process.kill(-child.pid, "SIGKILL");
  await gone;
}
