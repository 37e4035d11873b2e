import { Cron } from "croner";
import { Problem } from "../../errors.ts";

/**
 * The due times of a cron expression in a time zone. Pure: what the time is now is always an argument, because the
 * database's clock says so and not this process's.
 *
 * Where the clock is put forward or back, croner decides, as most cron daemons do: with one fixed time of day (`30 2 * * *`)
 * a time that does not exist becomes the first one after the gap, and one that exists twice is taken once, the first time;
 * with anything else (every 15 minutes) times that do not exist are left out, and those that exist twice are taken twice.
 */
export interface DueTimes {
  /** The first due time behind `time`; undefined where there is none any more. */
  after(time: Date): Date | undefined;
  /** At most `count` due times up to and including `time`, the last ones, the earliest first. */
  upTo(time: Date, count: number): Date[];
  /** The next `count` due times behind `time`. */
  next(time: Date, count: number): Date[];
}

/** Croner also takes points in time and a field for years: what is not meant here is refused before it is asked. */
const CRON = /^(?:@(?:hourly|daily|weekly|monthly|yearly|annually)|[\w*,/#?-]+(?: +[\w*,/#?-]+){4,5})$/i;
const NAMED_ZONE = /^(?:UTC|GMT|[A-Za-z][\w+-]*(?:\/[\w+-]+)+)$/;
const SECOND_MS = 1_000;

/** Throws Problem validation_failed, with the pointer of what is wrong, also where the expression never comes due. */
export function readCron({ cron, timeZone }: { readonly cron: string; readonly timeZone: string }): DueTimes {
  if (!NAMED_ZONE.test(timeZone) || !isKnownZone(timeZone)) {
    throw refused("/time_zone", `"${timeZone}" is no time zone; write for example "Europe/Berlin" or "UTC"`);
  }
  const pattern = parse(cron.trim(), timeZone);
  return {
    after: (time) => pattern.nextRun(time) ?? undefined,
    // Croner looks back from the second before its reference.
    upTo: (time, count) => pattern.previousRuns(count, new Date(Math.floor(time.getTime() / SECOND_MS) * SECOND_MS + SECOND_MS)).reverse(),
    next: (time, count) => pattern.nextRuns(count, time),
  };
}

function parse(cron: string, timezone: string): Cron {
  if (!CRON.test(cron)) throw refused("/cron", "needs five fields (minute hour day month weekday) or six, with seconds before them");
  try {
    const pattern = new Cron(cron, { paused: true, timezone, mode: "5-or-6-parts" });
    if (pattern.nextRun(ANY_TIME) === null) throw refused("/cron", `"${cron}" never comes due`);
    return pattern;
  } catch (cause) {
    if (cause instanceof Problem) throw cause;
    throw refused("/cron", cause instanceof Error ? cause.message.replace(/^CronPattern: /, "") : String(cause));
  }
}

/** A time before all that matter. */
const ANY_TIME = new Date("2020-01-01T00:00:00Z");

function isKnownZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

function refused(pointer: string, message: string): Problem {
  return new Problem("validation_failed", `The schedule: ${message}.`, { issues: [{ pointer, message }] });
}
