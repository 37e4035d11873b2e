import { createShutdown, type Shutdown } from "../src/shutdown.ts";
import type { ReadyMessage } from "../src/supervisor.ts";

/** Errors of these names are explained by their message alone; everything else is a defect and shows its stack. */
const EXPLAINED = new Set(["ConfigError", "EmbeddedError", "MigrationError", "CatalogueError", "StartError"]);

/** Were we started by `npm start` or another of our processes, to live no longer than that? */
export const UNDER_PARENT = process.send !== undefined;

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
}

/**
 * The life of a process of ours: start, then run until SIGTERM, SIGINT or, under a parent, until that parent is gone;
 * then stop in reverse order and exit. A second signal exits at once. Under a parent SIGINT is left to it, because a
 * terminal sends Ctrl-C to the whole group.
 */
export async function runProcess(start: (shutdown: Shutdown) => Promise<void>, options: ProcessOptions): Promise<void> {
  const shutdown = createShutdown();
  let ending = false;

  async function end(code: number): Promise<void> {
    if (ending) process.exit(1);
    ending = true;
    const problems = await shutdown.run(options.stopWithinMs);
    for (const problem of problems) console.error(`While stopping, ${problem}`);
    process.exit(problems.length > 0 ? 1 : code);
  }

  process.on("SIGTERM", () => void end(0));
  process.on("SIGINT", () => {
    if (!UNDER_PARENT) void end(0);
  });
  if (UNDER_PARENT) process.on("disconnect", () => void end(0));
  process.on("uncaughtException", (error) => fail(error));
  process.on("unhandledRejection", (error) => fail(error));

  function fail(error: unknown): void {
    console.error(error);
    process.exitCode = 1;
    void end(1);
  }

  try {
    await start(shutdown);
  } catch (error) {
    if (ending) return;
    console.error(error instanceof Error && EXPLAINED.has(error.name) ? error.message : error);
    await end(1);
  }
}

/** Tells the parent, if there is one, that this process serves now. */
export function tellReady(message: Omit<ReadyMessage, "type"> = {}): void {
  process.send?.({ type: "ready", ...message } satisfies ReadyMessage);
}
