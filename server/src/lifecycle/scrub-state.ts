import { encodeId } from "@filemill/contract/ids.ts";
import type { DamagedFile, ScrubAnswer } from "@filemill/contract/scrub.ts";
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { NO_FIGURES, SCRUB, type ScrubFigures } from "./scrub.ts";

interface WalkRow {
  readonly figures: ScrubFigures;
  readonly last: ScrubFigures | null;
  readonly started: Date | null;
  readonly finished: Date | null;
  readonly running: boolean;
}

/** How the scrub stands, over all tenants; the latest damaged files, at most `limit`. */
export async function readScrub(database: Database, limit: number): Promise<ScrubAnswer> {
  return await database.asSystem(async (transaction) => {
    const [walk] = await transaction.query<WalkRow>(sql`
      SELECT figures, last_figures AS last, cycle_started_at AS started, cycle_finished_at AS finished,
        coalesce(lease_until > now(), false) AS running
      FROM file_walks WHERE name = ${SCRUB}`);
    const damaged = await transaction.query<{
      id: string;
      tenantId: string;
      name: string;
      kind: DamagedFile["kind"];
      detail: string;
      found: Date;
    }>(sql`
      SELECT file_id AS id, files.tenant_id AS "tenantId", name, kind, detail, found_at AS found
      FROM damaged_files JOIN files ON files.id = file_id
      WHERE healed_at IS NULL AND status = 'quarantined' ORDER BY found_at DESC, file_id LIMIT ${limit}`);
    return {
      running: walk?.running ?? false,
      cycle_started_at: walk?.started?.toISOString() ?? null,
      cycle_finished_at: walk?.finished?.toISOString() ?? null,
      cycle: { ...NO_FIGURES, ...walk?.figures },
      last_cycle: walk?.last ?? null,
      damaged: damaged.map(({ id, tenantId, name, kind, detail, found }) => ({
        file_id: encodeId("file", id),
        tenant_id: encodeId("tenant", tenantId),
        name,
        kind,
        detail,
        found_at: found.toISOString(),
      })),
    };
  });
}

/** Has the next turn begin a new cycle, from the first file on; one that is under way ends where it is. */
export async function restartScrub(database: Database): Promise<void> {
  await database.asSystem((transaction) =>
    transaction.execute(sql`
      INSERT INTO file_walks (name) VALUES (${SCRUB})
      ON CONFLICT (name) DO UPDATE SET cycle_started_at = NULL, cycle_finished_at = NULL, holder = NULL, lease_until = NULL`),
  );
}
