import { once } from "node:events";
import { flushCompileCache } from "node:module";
import { createShutdown, type Shutdown } from "../src/shutdown.ts";
import { AWAIT_SETTINGS, isToChild, type FromChild, type ReadyMessage } from "../src/supervisor-messages.ts";

/** Errors of these names are explained by their message alone; everything else is a defect and shows its stack. */
const EXPLAINED = new Set(["ConfigError", "EmbeddedError", "MigrationError", "CatalogueError", "StartError"]);

/** Were we started by `npm start` or another of our processes, to live no longer than that? */
export const UNDER_PARENT = process.send !== undefined;

/** It only supervises: one that takes longer is about to end. */
const PARENT_ANSWERS_MS = 5_000;

/** Why a process can't start; the message says what to do. */
export class StartError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "StartError";
  }
}

export interface ProcessOptions {
  /** Given to everything that was started, together, to stop. */
  readonly stopWithinMs: number;
  /** Asked when all has stopped in order; 0 where left out. */
  readonly exitCode?: () => number;
}

/**
 * The life of a process of ours: start, then run until its work is done (`start` said so), until SIGTERM, SIGINT, SIGHUP
 * (its terminal was closed) or, under a parent, until that parent is gone; then stop in reverse order and exit. A second signal exits at once. Under a parent
 * SIGINT is left to it, because a terminal may send Ctrl-C to the whole group.
 */
export async function runProcess(start: (shutdown: Shutdown) => Promise<void | "done">, options: ProcessOptions): Promise<void> {
  const shutdown = createShutdown();
  let ending = false;

  async function end(code: number): Promise<void> {
    if (ending) process.exit(1);
    ending = true;
    const problems = await shutdown.run(options.stopWithinMs);
    for (const problem of problems) console.error(`While stopping, ${problem}`);
    process.exit(problems.length > 0 ? 1 : code || (options.exitCode?.() ?? 0));
  }

  process.on("SIGTERM", () => void end(0));
  for (const signal of ["SIGINT", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (!UNDER_PARENT) void end(0);
    });
  }
  if (UNDER_PARENT) {
    process.on("disconnect", () => void end(0));
    answerPings();
  }
  process.on("uncaughtException", (error) => fail(error));
  process.on("unhandledRejection", (error) => fail(error));

  function fail(error: unknown): void {
    console.error(error);
    process.exitCode = 1;
    // What fails while everything stops must not keep the rest from stopping.
    if (!ending) void end(1);
  }

  try {
    if (process.argv.includes(AWAIT_SETTINGS)) await takeSettings();
    if ((await start(shutdown)) === "done" && !ending) await end(0);
  } catch (error) {
    if (ending) return;
    console.error(error instanceof Error && EXPLAINED.has(error.name) ? error.message : error);
    await end(1);
  }
}

/** Tells the parent, if there is one, that this process serves now. */
export function tellReady(message: Omit<ReadyMessage, "type"> = {}): void {
  send({ type: "ready", ...message });
  // Now and not at the exit, which a killed process never comes to.
  setImmediate(flushCompileCache);
}

/** Answers the parent when it asks for measurements, if there is one. */
export function answerMeasure(render: (labels: Readonly<Record<string, string>>) => Promise<string>): void {
  process.on("message", (message) => {
    if (!isToChild(message) || message.type !== "measure") return;
    const answer = (text: string) => send({ type: "measured", question: message.question, text });
    render(message.labels).then(answer, () => answer(""));
  });
}

/** When the parent has no more work for this process: `drain` ends what has begun, then the process stops as by SIGTERM. */
export function answerDrain(drain: () => Promise<void>): void {
  process.on("message", (message) => {
    if (isToChild(message) && message.type === "drain") void drain().finally(() => process.kill(process.pid, "SIGTERM"));
  });
}

/** Has the parent run so many workers, and gives how many there were; undefined where no parent answers. */
export function resizeAtParent(): ((count: number) => Promise<number | undefined>) | undefined {
  if (!UNDER_PARENT) return undefined;
  let asked = 0;
  return (count) => {
    const question = asked++;
    return new Promise((resolve) => {
      const answer = (was: number | undefined) => {
        clearTimeout(timer);
        process.off("message", listen);
        resolve(was);
      };
      const listen = (message: unknown) => {
        if (isToChild(message) && message.type === "resized" && message.question === question) answer(message.was);
      };
      const timer = setTimeout(answer, PARENT_ANSWERS_MS, undefined);
      process.on("message", listen);
      send({ type: "resize", question, count });
    });
  };
}

/** The parent takes a process that does not answer for one that hangs. */
function answerPings(): void {
  process.on("message", (message) => {
    if (isToChild(message) && message.type === "ping") send({ type: "pong" });
  });
}

/** What the parent found out while we loaded our code becomes part of our environment, which is then read as ever. */
async function takeSettings(): Promise<void> {
  for (;;) {
    const [message] = (await once(process, "message")) as [unknown];
    if (!isToChild(message) || message.type !== "settings") continue;
    Object.assign(process.env, message.environment);
    return;
  }
}

function send(message: FromChild): void {
  if (process.connected) process.send?.(message);
}
