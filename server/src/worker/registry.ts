import { hostname } from "node:os";
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/** Who works here; for people and autoscalers, never for decisions. */
export interface WorkerRow {
  readonly id: string;
  readonly lanes: readonly string[];
  readonly slots: number;
}

/** A worker that has not been seen for this long is shown as lost. */
const LOST_MS = 30_000;

export async function registerWorker(database: Database, worker: WorkerRow): Promise<void> {
  await database.asSystem((transaction) =>
    transaction.execute(sql`
      INSERT INTO workers (id, host, pid, lanes, slots)
      VALUES (${worker.id}::uuid, ${hostname()}, ${process.pid}, ${worker.lanes}::text[], ${worker.slots})`),
  );
}

/** Also marks others as lost that stopped coming by. */
export async function touchWorker(database: Database, workerId: string): Promise<void> {
  await database.asSystem(async (transaction) => {
    await transaction.execute(
      sql`UPDATE workers SET seen_at = now(), status = CASE status WHEN 'lost' THEN 'up' ELSE status END WHERE id = ${workerId}::uuid`,
    );
    await transaction.execute(sql`
      UPDATE workers SET status = 'lost'
      WHERE id = ANY(ARRAY(
        SELECT id FROM workers
        WHERE status IN ('up', 'draining') AND seen_at < now() - ${LOST_MS} * interval '1 millisecond' FOR UPDATE SKIP LOCKED))`);
  });
}

export async function setWorkerStatus(database: Database, workerId: string, status: "draining" | "gone"): Promise<void> {
  await database.asSystem((transaction) =>
    transaction.execute(sql`UPDATE workers SET status = ${status}, seen_at = now() WHERE id = ${workerId}::uuid`),
  );
}
