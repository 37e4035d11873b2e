import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { CountedMetric } from "../telemetry/counted.ts";

/** What one process has counted since its start. */
export interface MetricSource {
  readonly id: string;
  /** Grows with every telling of this process. */
  readonly sequence: number;
  readonly metrics: readonly CountedMetric[];
  /** It tells nothing more. */
  readonly ended: boolean;
}

/** Our own labels have a few dozen values; what a defect or a foreign program makes of them must not fill the table. */
const MAX_SAMPLES = 2_000;
const MAX_LABELS = 512;
const MAX_TOTALS = 10_000;
/** A process that has told nothing for so long is over, whatever it meant to tell. */
const SILENT_MS = 86_400_000;
const REMEMBERED_MS = 7 * 86_400_000;

/**
 * Puts what a process has counted in the place of what it told before. Told twice, or late, it changes nothing, so that it
 * may be told again whenever the answer was lost. Gives whether it was taken.
 */
export async function tellMetrics(transaction: Transaction, { id, sequence, metrics, ended }: MetricSource): Promise<boolean> {
  const rows = await transaction.query(sql`
    INSERT INTO metric_sources (id, sequence, metrics, ended)
    VALUES (${id}::uuid, ${sequence}, ${JSON.stringify(bounded(metrics))}::jsonb, ${ended})
    ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence, metrics = excluded.metrics, ended = excluded.ended, told_at = now()
      WHERE NOT metric_sources.folded AND metric_sources.sequence < excluded.sequence
    RETURNING id`);
  return rows.length > 0;
}

/**
 * Adds the counts of processes that are over to the totals, and keeps their ids for a while, so that what comes late is
 * refused. Any number of rounds may run at once. Gives how many processes it was.
 */
export async function foldMetrics(transaction: Transaction): Promise<number> {
  await transaction.execute(sql`DELETE FROM metric_sources WHERE folded AND told_at < now() - ${REMEMBERED_MS} * interval '1 millisecond'`);
  return await transaction.execute(sql`
    WITH due AS (
      SELECT id, metrics FROM metric_sources
      WHERE NOT folded AND (ended OR told_at < now() - ${SILENT_MS} * interval '1 millisecond')
      ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED
    ), added AS (
      INSERT INTO metric_totals (metric, type, help, name, labels, value)
      SELECT min(sample.metric), min(sample.type), min(sample.help), sample.name, sample.labels, sum(sample.value) FROM due, ${samplesOf()}
      WHERE EXISTS (SELECT FROM metric_totals total WHERE total.name = sample.name AND total.labels = sample.labels)
        OR (SELECT count(*) FROM metric_totals) < ${MAX_TOTALS}
      GROUP BY sample.name, sample.labels ORDER BY sample.name, sample.labels
      ON CONFLICT (name, labels) DO UPDATE SET value = metric_totals.value + excluded.value
    )
    UPDATE metric_sources SET folded = true, metrics = '[]' FROM due WHERE metric_sources.id = due.id`);
}

/** The sum over all processes that ever told, those that run included: each counts once, folded or not. */
export async function readMetricTotals(transaction: Transaction): Promise<CountedMetric[]> {
  const rows = await transaction.query<{
    metric: string;
    type: CountedMetric["type"];
    help: string;
    name: string;
    labels: string;
    value: number;
  }>(sql`
    SELECT min(metric) AS metric, min(type) AS type, min(help) AS help, name, labels, sum(value) AS value
    FROM (
      SELECT metric, type, help, name, labels, value FROM metric_totals
      UNION ALL
      SELECT sample.metric, sample.type, sample.help, sample.name, sample.labels, sample.value
      FROM metric_sources AS due, ${samplesOf()} WHERE NOT folded
    ) AS counted
    GROUP BY name, labels ORDER BY 1, name, labels`);
  const byMetric = Map.groupBy(rows, (row) => row.metric);
  return [...byMetric].flatMap(([name, samples]) => {
    const [first] = samples;
    return first
      ? [{ name, type: first.type, help: first.help, samples: samples.map(({ name: of, labels, value }) => ({ name: of, labels, value })) }]
      : [];
  });
}

/** The samples in `due.metrics`, as rows. */
function samplesOf() {
  return sql`jsonb_to_recordset(due.metrics) AS told(name text, type text, help text, samples jsonb),
    LATERAL (
      SELECT told.name AS metric, told.type, told.help, each.name, each.labels, each.value
      FROM jsonb_to_recordset(told.samples) AS each(name text, labels text, value float8)
    ) AS sample`;
}

function bounded(metrics: readonly CountedMetric[]): CountedMetric[] {
  let left = MAX_SAMPLES;
  return metrics.map((metric) => {
    const samples = metric.samples.filter(({ labels }) => labels.length <= MAX_LABELS).slice(0, left);
    left -= samples.length;
    return { ...metric, samples };
  });
}
