import { expect } from "vitest";
import type { ClonedDatabase } from "../database.ts";
import { openEngine } from "../engine/engine.ts";
import { ONE_MAP } from "../engine/plans.ts";
import { sql } from "../../src/db/sql.ts";
import { getJob } from "../../src/jobs/queries.ts";
import { MOST_AHEAD } from "../../src/jobs/sources/ahead.ts";
import { countingSource, drainSource } from "./listed.ts";

const MIB = 2 ** 20;
/** What a process kept for each of 100,000 items would be more at the end, were it only their addresses. */
const MOST_GROWTH = 8 * MIB;

/** Lists so many objects and works them off; what must be true on the way, and at the end. */
export async function listAndDrain({ database }: ClonedDatabase, objects: number): Promise<void> {
  const engine = openEngine(database);
  const tenantId = await engine.tenant();
  const jobId = await engine.submit(tenantId, ONE_MAP, [], { source: { kind: "urls", urls: ["https://example.org/"] } });
  const drained = await drainSource(engine, { tenantId, jobId, sources: countingSource(objects) });
  expect(drained.mostOpen).toBeGreaterThan(MOST_AHEAD / 2);
  expect(drained.mostOpen).toBeLessThanOrEqual(MOST_AHEAD);
  expect(drained.progress).toEqual(drained.progress.toSorted((left, right) => left - right));
  expect(drained.grownBytes).toBeLessThan(MOST_GROWTH);
  expect(await getJob(database, { tenantId, jobId })).toMatchObject({
    status: "completed",
    progress: 100,
    counts: { total: objects, succeeded: objects },
    source: { status: "ended", listed: objects },
  });
  const [items] = await engine.rows<{ rows: number; locations: number }>(
    sql`SELECT count(*) AS rows, count(DISTINCT identity) AS locations FROM source_items WHERE job_id = ${jobId}::uuid`,
  );
  expect(items).toEqual({ rows: objects, locations: objects });
}
