import pg from "pg";
import type { QueuePeer } from "./peer.ts";

/** Rows a batch; larger ones were no faster. */
const BATCH = 100;
const POLL_MS = 20;

/**
 * The floor for a queue in PostgreSQL: one table, a claim and a completion a batch, no lease, no fence, no fairness, no
 * retries.
 */
export function skipLocked(url: string): QueuePeer {
  const client = new pg.Client({ connectionString: url });
  let listening: NodeJS.Timeout | undefined;

  async function takeBatch(): Promise<number> {
    const claimed = await client.query<{ id: string }>(
      `UPDATE bare_jobs SET state = 1, started_at = now() WHERE id = ANY(ARRAY(
         SELECT id FROM bare_jobs WHERE state = 0 ORDER BY id LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)) RETURNING id`,
    );
    if (claimed.rows.length === 0) return 0;
    await client.query("UPDATE bare_jobs SET state = 2, ended_at = now() WHERE id = ANY($1::bigint[])", [
      claimed.rows.map((row) => row.id),
    ]);
    return claimed.rows.length;
  }

  return {
    name: "bare SKIP LOCKED loop",
    async setUp() {
      await client.connect();
      await client.query(`CREATE TABLE bare_jobs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state smallint NOT NULL DEFAULT 0,
        payload jsonb NOT NULL DEFAULT '{}', started_at timestamptz, ended_at timestamptz)`);
      await client.query("CREATE INDEX ON bare_jobs (id) WHERE state = 0");
    },
    async add(count) {
      await client.query("INSERT INTO bare_jobs (payload) SELECT '{}' FROM generate_series(1, $1::int)", [count]);
      await client.query("ANALYZE bare_jobs");
    },
    async drain(count) {
      for (let done = 0; done < count;) done += await takeBatch();
    },
    listen(onRun) {
      let busy = false;
      listening = setInterval(() => {
        if (busy) return;
        busy = true;
        takeBatch()
          .then((taken) => (taken > 0 ? onRun() : undefined))
          .finally(() => (busy = false));
      }, POLL_MS);
      return Promise.resolve();
    },
    async addOne() {
      await client.query("INSERT INTO bare_jobs DEFAULT VALUES");
    },
    async takeDown() {
      clearInterval(listening);
      await client.end();
    },
  };
}
