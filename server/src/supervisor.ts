import { fork, type ChildProcess } from "node:child_process";
import type { Logger } from "pino";

/** What a child says when it serves. */
export interface ReadyMessage {
  readonly type: "ready";
  /** Where it listens. */
  readonly port?: number;
  /** What whoever starts it should know, as a sentence. */
  readonly note?: string;
}

export interface ChildOptions {
  /** For the log, such as `api` or `worker 1`. */
  readonly name: string;
  readonly module: URL;
  /** Asked before every start. */
  readonly environment: () => NodeJS.ProcessEnv;
  readonly log: Logger;
  /** First pause before a restart, doubled each time up to 64 times; 250 ms unless told. */
  readonly firstPauseMs?: number;
}

export interface SupervisedChild {
  /** Rejects where the very first process ends before it is ready: that is a mistake in the set-up, which no restart mends. */
  readonly ready: Promise<ReadyMessage>;
  /** Of the process that runs now. */
  readonly pid: () => number | undefined;
  /** SIGTERM, then SIGKILL when the time is over; resolves when the process is gone. Idempotent. */
  stop(timeoutMs: number): Promise<void>;
  /** SIGKILL without waiting: for a process that is itself about to end. */
  killNow(): void;
}

/** A process that ran for so long was healthy: the next pause is the first one again. */
const HEALTHY_MS = 30_000;

/**
 * Runs a module as a process of its own and starts it again whenever it ends by itself, after growing pauses. The child
 * is bound to this process by its IPC channel: when we die, however, the channel closes and the child ends itself.
 */
export function supervise(options: ChildOptions): SupervisedChild {
  const { name, log, firstPauseMs = 250 } = options;
  const ready = Promise.withResolvers<ReadyMessage>();
  ready.promise.catch(() => undefined);
  let child: ChildProcess | undefined;
  let restart: NodeJS.Timeout | undefined;
  let failures = 0;
  let everReady = false;
  let stopping: Promise<void> | undefined;

  function start(): void {
    const startedAt = performance.now();
    const current = fork(options.module, [], { env: options.environment(), stdio: ["ignore", "inherit", "inherit", "ipc"] });
    child = current;
    current.on("message", (message) => {
      if (!isReady(message)) return;
      everReady = true;
      ready.resolve(message);
    });
    current.on("error", (error) => log.error({ child: name, err: error }, "a process could not be started or reached"));
    current.on("exit", (code, signal) => {
      child = undefined;
      if (stopping) return;
      const how = signal ?? `code ${code}`;
      if (!everReady) return ready.reject(new Error(`The ${name} process ended before it was ready (${how}).`));
      failures = performance.now() - startedAt > HEALTHY_MS ? 0 : failures + 1;
      const pauseMs = firstPauseMs * 2 ** Math.min(failures, 6);
      log.error({ child: name, how, pauseMs }, "a process ended by itself; it is started again");
      restart = setTimeout(start, pauseMs);
    });
  }

  start();
  return {
    ready: ready.promise,
    pid: () => child?.pid,
    stop(timeoutMs) {
      clearTimeout(restart);
      stopping ??= child ? end(child, timeoutMs) : Promise.resolve();
      return stopping;
    },
    killNow() {
      clearTimeout(restart);
      stopping ??= Promise.resolve();
      child?.kill("SIGKILL");
    },
  };
}

async function end(child: ChildProcess, timeoutMs: number): Promise<void> {
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  child.kill("SIGTERM");
  await gone;
  clearTimeout(timer);
}

function isReady(message: unknown): message is ReadyMessage {
  return typeof message === "object" && message !== null && "type" in message && message.type === "ready";
}
