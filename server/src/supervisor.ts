import { fork, type ChildProcess } from "node:child_process";
import type { Logger } from "pino";
import { UNANSWERED, watchForHang, type HangWatch } from "./hang-watch.ts";
import { AWAIT_SETTINGS, isFromChild, type FromChild, type ReadyMessage, type ToChild } from "./supervisor-messages.ts";

export interface ChildOptions {
  /** For the log, such as `API` or `worker 1`. */
  readonly name: string;
  readonly module: URL;
  readonly environment: NodeJS.ProcessEnv;
  /**
   * Variables that are known later than the start, asked for at every start. The child loads its code meanwhile, and
   * they are not in its environment for others to read.
   */
  readonly settings?: () => Promise<Readonly<Record<string, string>>>;
  readonly log: Logger;
  /** First pause before a restart, doubled each time; 250 ms unless told. */
  readonly firstPauseMs?: number;
  /** How often a child that serves is asked whether its event loop turns; 10 s unless told. */
  readonly pingMs?: number;
  /** The child asks for so many workers; gives how many there were. */
  readonly onResize?: (count: number) => number;
}

export interface SupervisedChild {
  readonly name: string;
  /** Rejects where the very first process ends before it is ready: that is a mistake in the set-up, which no restart mends. */
  readonly ready: Promise<ReadyMessage>;
  /** Of the process that runs now. */
  readonly pid: () => number | undefined;
  /** What the child has measured, as text for Prometheus with these labels on every line; empty where it gives no answer. */
  measure(labels: Readonly<Record<string, string>>): Promise<string>;
  /** SIGTERM, then SIGKILL when the time is over; resolves when the process is gone. Idempotent, and hurries a drain. */
  stop(timeoutMs: number): Promise<void>;
  /** Has the process end what it has begun, and then end itself; SIGKILL when the time is over. Resolves when it is gone. */
  drain(timeoutMs: number): Promise<void>;
  /** SIGKILL without waiting: for a process that is itself about to end. */
  killNow(): void;
}

/** A process that ran for so long was healthy: the next pause is the first one again. */
const HEALTHY_MS = 30_000;
/**
 * How often the pause doubles. A process that had served before it ended is missed by people: 2 s is as long as they wait
 * for another. One that ends before it is ready would only end again, and costs a start each time.
 */
const DOUBLINGS = { served: 3, neverReady: 6 } as const;
/** It is killed after three of them, half a minute: no code of ours keeps its event loop for seconds. */
const PING_MS = 10_000;
/** Prometheus gives a scrape 10 s; one child that hangs must not cost the measurements of the others. */
const MEASURE_TIMEOUT_MS = 2_000;

/**
 * Runs a module as a process of its own and starts it again whenever it ends by itself, after growing pauses. One that
 * serves and then answers no pings any more is killed, which makes it one that ended. The child is bound to this process
 * by its IPC channel: when we die, however, the channel closes and the child ends itself. It has a session of its own,
 * because Ctrl-C in a terminal goes to the whole group, and would end a child that is still loading before we can tell
 * that from a failure.
 */
export function supervise(options: ChildOptions): SupervisedChild {
  const { name, log, settings, firstPauseMs = 250, pingMs = PING_MS } = options;
  const ready = Promise.withResolvers<ReadyMessage>();
  ready.promise.catch(() => undefined);
  const questions = new Map<number, (text: string) => void>();
  let asked = 0;
  let child: ChildProcess | undefined;
  let watch: HangWatch | undefined;
  let restart: NodeJS.Timeout | undefined;
  let failures = 0;
  let everReady = false;
  /** Does the process that runs now serve? */
  let serves = false;
  /** It is to end for good: by itself, by SIGTERM, or by SIGKILL when this comes due. */
  let stopping: "drain" | "stop" | undefined;
  let overdue: NodeJS.Timeout | undefined;
  const gone = Promise.withResolvers<void>();

  function start(): void {
    const startedAt = performance.now();
    let doublings: number = DOUBLINGS.neverReady;
    const current = fork(options.module, settings ? [AWAIT_SETTINGS] : [], {
      env: options.environment,
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      detached: true,
    });
    child = current;
    settings?.().then(
      (environment) => tell(current, { type: "settings", environment }),
      () => undefined, // Whoever makes the settings fails by itself, and stops us.
    );
    current.on("message", (message) => {
      if (!isFromChild(message)) return;
      if (message.type === "measured") return questions.get(message.question)?.(message.text);
      if (message.type === "pong") return watch?.answered();
      if (message.type === "resize") return answerResize(current, message);
      everReady = true;
      serves = true;
      doublings = DOUBLINGS.served;
      if (!stopping) watch ??= watchForHang({ everyMs: pingMs, ask: () => tell(current, { type: "ping" }), onHang: () => kill(current) });
      ready.resolve(message);
    });
    current.on("error", (error) => log.error({ child: name, err: error }, "a process could not be started or reached"));
    current.on("exit", (code, signal) => {
      child = undefined;
      serves = false;
      unwatch();
      for (const answer of questions.values()) answer("");
      if (stopping) return end();
      const how = signal ?? `code ${code}`;
      if (!everReady) return ready.reject(new Error(`The ${name} process ended before it was ready (${how}).`));
      failures = performance.now() - startedAt > HEALTHY_MS ? 0 : failures + 1;
      const pauseMs = firstPauseMs * 2 ** Math.min(Math.max(0, failures - 1), doublings);
      log.error({ child: name, how, pauseMs }, "a process ended by itself; it is started again");
      restart = setTimeout(start, pauseMs);
    });
  }

  function kill(hanging: ChildProcess): void {
    const unansweredMs = UNANSWERED * pingMs;
    log.error({ child: name, pid: hanging.pid, unansweredMs }, "the event loop of a process hangs; it is killed");
    hanging.kill("SIGKILL");
  }

  function answerResize(asking: ChildProcess, { question, count }: Extract<FromChild, { type: "resize" }>): void {
    if (stopping || !options.onResize) return;
    tell(asking, { type: "resized", question, was: options.onResize(count) });
  }

  function end(): void {
    clearTimeout(overdue);
    gone.resolve();
  }

  /** A child that does not serve yet has nothing to drain. */
  function stopBy(how: "drain" | "stop", timeoutMs: number): Promise<void> {
    if (stopping === "stop" || stopping === how) return gone.promise;
    stopping = how;
    clearTimeout(restart);
    const current = child;
    if (!current) {
      end();
      return gone.promise;
    }
    clearTimeout(overdue);
    overdue = setTimeout(() => current.kill("SIGKILL"), timeoutMs);
    if (how === "drain" && serves) tell(current, { type: "drain" });
    else {
      unwatch();
      current.kill("SIGTERM");
    }
    return gone.promise;
  }

  function unwatch(): void {
    watch?.stop();
    watch = undefined;
  }

  start();
  return {
    name,
    ready: ready.promise,
    pid: () => child?.pid,
    measure(labels) {
      const current = child;
      if (!current?.connected || stopping === "stop") return Promise.resolve("");
      const question = asked++;
      return new Promise((resolve) => {
        const answer = (text: string) => {
          clearTimeout(timer);
          questions.delete(question);
          resolve(text);
        };
        const timer = setTimeout(answer, MEASURE_TIMEOUT_MS, "");
        questions.set(question, answer);
        tell(current, { type: "measure", question, labels });
      });
    },
    stop: (timeoutMs) => stopBy("stop", timeoutMs),
    drain: (timeoutMs) => stopBy("drain", timeoutMs),
    killNow() {
      clearTimeout(restart);
      unwatch();
      stopping = "stop";
      child?.kill("SIGKILL");
      if (!child) end();
    },
  };
}

/** A child that is about to end takes no message any more; its exit is told apart. */
function tell(child: ChildProcess, message: ToChild): void {
  if (child.connected) child.send(message, () => undefined);
}
