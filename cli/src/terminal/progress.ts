import cliProgress from "cli-progress";
import type { Context } from "../context.ts";
import { printable } from "./print.ts";

/** One thing that goes from 0 to `total`. */
export interface Bar {
  set(value: number, note?: string): void;
  add(amount: number): void;
  /** Fills the bar, or leaves it where it is with a note that says why. */
  finish(note?: string): void;
}

/** Several bars below each other on stderr; on something that is not a terminal, a line when each starts and ends. */
export interface Progress {
  bar(title: string, total: number): Bar;
  stop(): void;
}

const TITLE_WIDTH = 28;
/** Full titles and notes need about this many columns; narrower terminals get lines too. */
const MIN_COLUMNS = 60;

export function createProgress(context: Context, options: { quiet?: boolean } = {}): Progress {
  if (options.quiet) return silent();
  if (!context.stderr.isTTY || (context.stderr.columns ?? 80) < MIN_COLUMNS) return asLines(context);
  return asBars(context);
}

function asBars(context: Context): Progress {
  const bars = new cliProgress.MultiBar({
    format: "{title} {bar} {percentage} % {note}",
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    hideCursor: true,
    clearOnComplete: false,
    // cli-progress asks for a terminal's stream; isTTY was looked at above.
    stream: context.stderr as NodeJS.WriteStream,
    emptyOnZero: true,
    // Signals belong to bin/; it stops the bars by its own.
    gracefulExit: false,
  });
  return {
    bar(title, total) {
      const bar = bars.create(Math.max(1, total), 0, { title: fit(title), note: "" });
      return {
        set: (value, note) => bar.update(Math.min(value, bar.getTotal()), note === undefined ? {} : { note: printable(note) }),
        add: (amount) => bar.update(Math.min(bar.getTotal(), valueOf(bar) + amount)),
        finish(note) {
          if (note === undefined) bar.update(bar.getTotal());
          else bar.update(bar.getTotal(), { note: printable(note) });
        },
      };
    },
    stop: () => bars.stop(),
  };
}

function asLines(context: Context): Progress {
  return {
    bar(title) {
      const name = printable(title);
      context.stderr.write(`${name} …\n`);
      return {
        set: () => undefined,
        add: () => undefined,
        finish: (note) => void context.stderr.write(`${name}: ${printable(note ?? "done")}\n`),
      };
    },
    stop: () => undefined,
  };
}

function silent(): Progress {
  return { bar: () => ({ set: () => undefined, add: () => undefined, finish: () => undefined }), stop: () => undefined };
}

function fit(title: string): string {
  const text = printable(title);
  return text.length > TITLE_WIDTH ? `${text.slice(0, TITLE_WIDTH - 1)}…` : text.padEnd(TITLE_WIDTH);
}

function valueOf(bar: cliProgress.SingleBar): number {
  // Its types leave `value` out; the field is part of its documented payload.
  return "value" in bar && typeof bar.value === "number" ? bar.value : 0;
}
