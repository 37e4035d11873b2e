import { closeSync, createReadStream, openSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { z } from "zod";
import { BadInput, type InputFile } from "../processor.ts";
import type { AccumulatorState } from "./accumulator.ts";

/** What one node of a tree hands to the next: a line that says what follows, then the state of each accumulator, a line each. */
export interface StatsState {
  readonly files: number;
  readonly states: AsyncIterable<AccumulatorState>;
}

const Header = z.strictObject({ filemill_stats: z.literal(1), files: z.int().min(1), states: z.int().min(0) });

const State = z.object({
  moments: z.union([
    z.object({ count: z.int().min(0), sum: z.string(), squares: z.string() }),
    z.object({ count: z.int().min(0), sum: z.number(), rest: z.number(), mean: z.number(), distances: z.number() }),
  ]),
  min: z.string().nullable(),
  max: z.string().nullable(),
  sketch: z.base64().optional(),
});

export function writeStats(path: string, files: number, states: readonly (() => AccumulatorState)[]): void {
  const file = openSync(path, "wx");
  try {
    writeSync(file, `${JSON.stringify({ filemill_stats: 1, files, states: states.length })}\n`);
    for (let start = 0; start < states.length; start += LINES) {
      const lines = states.slice(start, start + LINES).map((state) => `${JSON.stringify(state())}\n`);
      writeSync(file, lines.join(""));
    }
  } finally {
    closeSync(file);
  }
}

const LINES = 256;

/** Rejects BadInput `corrupt` for what writeStats did not write; so do the states. */
export async function readStats(input: InputFile, signal: AbortSignal): Promise<StatsState> {
  const lines = createInterface({ input: createReadStream(input.path, { signal }), crlfDelay: Infinity })[Symbol.asyncIterator]();
  const first = await lines.next();
  const header = parse(input, Header, first.done === true ? "" : first.value);
  return { files: header.files, states: statesOf(input, lines) };
}

async function* statesOf(input: InputFile, lines: AsyncIterator<string>): AsyncGenerator<AccumulatorState> {
  for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
    const { sketch, ...state } = parse(input, State, line.value);
    yield sketch === undefined ? state : { ...state, sketch };
  }
}

function parse<T>(input: InputFile, schema: z.ZodType<T>, line: string): T {
  try {
    return schema.parse(JSON.parse(line));
  } catch (cause) {
    throw new BadInput("corrupt", `"${input.name}" does not hold statistics of this version; run the job again.`, { cause });
  }
}
