import type { MissedPolicy } from "@filemill/contract/schedules.ts";
import type { DueTimes } from "./cron.ts";

/** What a schedule owes at one moment: the due time to be run now, if any, and what it waits for then. */
export interface DueRun {
  /** undefined: everything that was due is passed over. */
  readonly due: Date | undefined;
  /** May lie before now: then the schedule owes another. undefined: it never comes due again. */
  readonly next: Date | undefined;
  /** The last due time that is passed over. */
  readonly skipped: Date | undefined;
}

/** Later than this a due time counts as missed. The rounds come once a second; the rest is for a busy machine. */
export const MISSED_AFTER_MS = 60_000;
/** Of a schedule that makes up for every due time. */
export const MOST_MADE_UP = 100;

/**
 * Decides over the due times from `owed` (the schedule's next_run_at, not later than `now`) to `now`. One due time at a time,
 * so that each is a job in a transaction that also moves the schedule on.
 */
export function dueRun(schedule: {
  readonly times: DueTimes;
  readonly owed: Date;
  readonly now: Date;
  readonly missed: MissedPolicy;
}): DueRun {
  const { times, owed, now, missed } = schedule;
  const second = times.after(owed);
  // The usual case, and the cheap one: to list what was missed takes a third of a millisecond for each time.
  if (second === undefined || second > now) return single({ owed, now, missed, next: second });
  const open = times.upTo(now, missed === "run_all" ? MOST_MADE_UP : 2).filter((time) => time >= owed);
  if (missed === "run_all") {
    const [due = owed] = open;
    return { due, next: times.after(due), skipped: due > owed ? owed : undefined };
  }
  const [before = owed, last = before] = open;
  return { ...single({ owed: last, now, missed, next: times.after(now) }), skipped: before };
}

function single({ owed, now, missed, next }: { owed: Date; now: Date; missed: MissedPolicy; next: Date | undefined }): DueRun {
  const isMissed = missed === "skip" && now.getTime() - owed.getTime() > MISSED_AFTER_MS;
  return isMissed ? { due: undefined, next, skipped: owed } : { due: owed, next, skipped: undefined };
}
