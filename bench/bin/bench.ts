import { parseArgs } from "node:util";

interface Options {
  readonly rounds: number;
}

/** Loaded when asked for, so that one row never pays for another's libraries. */
const ROWS: Readonly<Record<string, (options: Options) => Promise<void>>> = {
  "queue-drain": async (options) => (await import("../src/rows/queue-drain.ts")).queueDrain(options),
  "waiting-items": async (options) => (await import("../src/rows/waiting-items.ts")).waitingItems(options),
  "pick-up": async (options) => (await import("../src/rows/pick-up.ts")).pickUp(options),
  thumbnails: async (options) => (await import("../src/rows/thumbnails.ts")).thumbnails(options),
  averages: async (options) => (await import("../src/rows/averages.ts")).averages(options),
  "table-query": async (options) => (await import("../src/rows/table-query.ts")).tableQueries(options),
  "one-gib": async (options) => (await import("../src/rows/one-gib.ts")).oneGib(options),
  encryption: async (options) => (await import("../src/rows/encryption.ts")).encryption(options),
  "small-uploads": async (options) => (await import("../src/rows/small-uploads.ts")).smallUploads(options),
  bulk: async (options) => (await import("../src/rows/bulk.ts")).bulk(options),
  "result-cache": async (options) => (await import("../src/rows/result-cache.ts")).resultCache(options),
  "cold-worker": async (options) => (await import("../src/rows/cold-worker.ts")).coldWorker(options),
  recovery: async (options) => (await import("../src/rows/recovery.ts")).recovery(options),
  idle: async (options) => (await import("../src/rows/idle.ts")).idle(options),
};

// Exit handlers end the servers that a row has started.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

const { values, positionals } = parseArgs({ allowPositionals: true, options: { rounds: { type: "string", default: "5" } } });
const row = ROWS[positionals[0] ?? ""];
const rounds = Number(values.rounds);
if (row === undefined || !Number.isInteger(rounds) || rounds < 1) {
  console.error(`usage: npm run bench -w bench -- <row> [--rounds 5]\nrows: ${Object.keys(ROWS).join(", ")}`);
  process.exitCode = 2;
} else {
  await row({ rounds });
}
