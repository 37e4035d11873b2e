import { v7 as uuidv7 } from "uuid";
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/**
 * A walk over all files, page by page, in cycles. The row of file_walks says whose turn it is, by a lease, and how far the
 * cycle has come: whoever takes over goes on from there. Every step is fenced by holder and lease, so that one that was
 * stopped for long and comes back changes nothing.
 */
export interface FileWalk<Figures> {
  /**
   * Takes the turn, where nobody has it and a cycle is under way or due: so long after the last one began. A new cycle
   * begins with `none`. Undefined where there is nothing to do now.
   */
  begin(cycleMs: number, none: Figures): Promise<WalkPlace<Figures> | undefined>;
  /** The cycle has come to here; false where the turn was lost, and nothing was written. */
  advance(place: WalkPlace<Figures>): Promise<boolean>;
  /** Keeps the turn while one file takes long; false where it was lost. */
  keep(): Promise<boolean>;
  finish(figures: Figures): Promise<boolean>;
  /** Lets others go on from where this one is. */
  leave(): Promise<void>;
}

export interface WalkPlace<Figures> {
  /** The last file that was seen. */
  readonly cursor: string;
  readonly figures: Figures;
}

export const FIRST = "00000000-0000-0000-0000-000000000000";
/** A place that a process left without a word is taken over after so long. */
export const WALK_LEASE_MS = 60_000;

export function openWalk<Figures extends object>(database: Database, name: string): FileWalk<Figures> {
  const holder = uuidv7();
  const ours = sql`name = ${name} AND holder = ${holder}::uuid AND lease_until > now()`;
  const lease = sql`lease_until = now() + ${WALK_LEASE_MS} * interval '1 millisecond'`;
  const held = async (set: ReturnType<typeof sql>) =>
    (await database.asSystem((transaction) => transaction.execute(sql`UPDATE file_walks SET ${set} WHERE ${ours}`))) > 0;

  return {
    async begin(cycleMs, none) {
      const due = sql`(cycle_started_at IS NULL OR cycle_finished_at IS NOT NULL)`;
      const [row] = await database.asSystem(async (transaction) => {
        await transaction.execute(sql`INSERT INTO file_walks (name) VALUES (${name}) ON CONFLICT (name) DO NOTHING`);
        return await transaction.query<{ cursor: string | null; figures: Figures }>(sql`
          UPDATE file_walks SET holder = ${holder}::uuid, ${lease},
            cursor = CASE WHEN ${due} THEN NULL ELSE cursor END,
            figures = CASE WHEN ${due} THEN ${JSON.stringify(none)}::jsonb ELSE figures END,
            cycle_started_at = CASE WHEN ${due} THEN now() ELSE cycle_started_at END,
            cycle_finished_at = NULL
          WHERE name = ${name} AND (lease_until IS NULL OR lease_until < now() OR holder = ${holder}::uuid)
            AND (cycle_started_at IS NULL OR cycle_finished_at IS NULL OR cycle_started_at <= now() - ${cycleMs} * interval '1 millisecond')
          RETURNING cursor, figures`);
      });
      return row && { cursor: row.cursor ?? FIRST, figures: row.figures };
    },
    advance: ({ cursor, figures }) => held(sql`cursor = ${cursor}::uuid, figures = ${JSON.stringify(figures)}::jsonb, ${lease}`),
    keep: () => held(lease),
    finish: (figures) => {
      const json = JSON.stringify(figures);
      return held(
        sql`cycle_finished_at = now(), cursor = NULL, figures = ${json}::jsonb, last_figures = ${json}::jsonb, lease_until = NULL, holder = NULL`,
      );
    },
    async leave() {
      await held(sql`lease_until = NULL, holder = NULL`);
    },
  };
}
