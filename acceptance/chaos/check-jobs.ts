import { sha256 } from "./content.ts";
import type { LedgerRequest } from "./ledger.ts";
import type { Accepted } from "./load-client.ts";
import { uuidOf } from "./public-id.ts";
import type { Site } from "./site.ts";

interface Item {
  readonly ordinal: number;
  readonly status: string;
  readonly outputs: readonly { id: string; sha256: string; size: number }[];
}

const TERMINAL = new Set(["succeeded", "skipped", "dead", "cancelled"]);
/** A line feed and a UUID (processors/stamp.ts). */
const STAMP_BYTES = 37;

/** C2 and C3 of every acknowledged job, as HTTP tells it and as the rows say. */
export async function checkJobs(site: Site, requests: readonly LedgerRequest[]): Promise<string[]> {
  const findings: string[] = [];
  for (const request of requests) {
    const [first] = request.acknowledged;
    const id = first && (JSON.parse(first.body) as Accepted).job_id;
    if (id === undefined) continue;
    findings.push(...(await checkItems(site, request, id)), ...(await checkRows(site, request, id)));
  }
  return findings;
}

async function checkItems(site: Site, { intent }: LedgerRequest, jobId: string): Promise<string[]> {
  const findings: string[] = [];
  const items = await itemsOf(site, jobId);
  const ordinals = items.map(({ ordinal }) => ordinal).toSorted((left, right) => left - right);
  if (ordinals.join() !== intent.files.map((_file, index) => index).join()) findings.push(`C2: ${jobId} has the items ${ordinals.join()}`);
  for (const item of items) {
    const file = intent.files[item.ordinal];
    if (!file) continue;
    const wanted = intent.expected.dead.includes(file.name) ? "dead" : "succeeded";
    if (!TERMINAL.has(item.status) || item.status !== wanted)
      findings.push(`C2: ${file.name} of ${jobId} is ${item.status}, not ${wanted}`);
    if (intent.expected.outputs === "none") continue;
    const outputs = item.status === "succeeded" ? 1 : 0;
    if (item.outputs.length !== outputs) findings.push(`C3: ${file.name} of ${jobId} has ${item.outputs.length} outputs`);
    const [output] = item.outputs;
    if (!output) continue;
    const answer = await fetch(`${site.url}/api/v1/files/${output.id}/content`, { headers: { authorization: `Bearer ${site.key}` } });
    const content = Buffer.from(await answer.arrayBuffer().catch(() => new ArrayBuffer(0)));
    if (answer.status !== 200) findings.push(`C3: the output of ${file.name} in ${jobId} answers ${answer.status}`);
    else if (sha256(content) !== output.sha256) findings.push(`C3: the output of ${file.name} in ${jobId} is not what its hash says`);
    const extra = intent.expected.outputs === "stamped" ? STAMP_BYTES : 0;
    if (answer.status === 200 && (content.length !== file.sizeBytes + extra || sha256(content.subarray(0, file.sizeBytes)) !== file.sha256))
      findings.push(`C3: the output of ${file.name} in ${jobId} is not made from it`);
  }
  return findings;
}

async function itemsOf(site: Site, jobId: string): Promise<Item[]> {
  const items: Item[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const query: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const answer = await fetch(`${site.url}/api/v1/jobs/${jobId}/items?limit=500${query}`, {
      headers: { authorization: `Bearer ${site.key}` },
    });
    const page = (await answer.json()) as { data: Item[]; next_cursor: string | null };
    items.push(...page.data);
    cursor = page.next_cursor;
  }
  return items;
}

interface Rows {
  readonly status: string;
  readonly open_tasks: number;
  readonly open_stages: number;
  readonly ends: number;
  readonly counted: number;
  readonly repeated_outputs: number;
  readonly foreign_outputs: number;
  readonly lost_outputs: number;
}

/** What HTTP may hide: tasks that are open below a job that has ended, a second end, outputs of a holding that was not the last. */
async function checkRows({ database }: Site, { intent }: LedgerRequest, jobId: string): Promise<string[]> {
  const [row] = await database.query<Rows>(
    `SELECT status,
       (SELECT count(*) FROM filemill.tasks WHERE job_id = $1 AND status NOT IN ('succeeded', 'dead', 'cancelled'))::int AS open_tasks,
       (SELECT count(*) FROM filemill.job_stages WHERE job_id = $1 AND status = 'open')::int AS open_stages,
       (SELECT count(*) FROM filemill.events WHERE job_id = $1 AND type IN ('job.completed', 'job.failed', 'job.cancelled'))::int AS ends,
       (SELECT sum(items_succeeded + items_skipped + items_dead) FROM filemill.job_stages WHERE job_id = $1)::int AS counted,
       (SELECT count(*) FROM (SELECT 1 FROM filemill.outputs WHERE job_id = $1 GROUP BY ordinal, step HAVING count(*) > 1) twice)::int
         AS repeated_outputs,
       (SELECT count(*) FROM filemill.outputs LEFT JOIN filemill.tasks ON tasks.id = outputs.task_id
         WHERE outputs.job_id = $1 AND (tasks.status IS DISTINCT FROM 'succeeded' OR tasks.epoch <> outputs.epoch))::int AS foreign_outputs,
       (SELECT count(*) FROM filemill.outputs LEFT JOIN filemill.files ON files.id = outputs.file_id
         WHERE outputs.job_id = $1 AND files.status IS DISTINCT FROM 'stored')::int AS lost_outputs
     FROM filemill.jobs WHERE id = $1`,
    [uuidOf(jobId)],
  );
  if (!row) return [`C2: ${jobId} was acknowledged and has no row`];
  const findings: string[] = [];
  const wanted = intent.expected.dead.length > 0 ? "failed" : "completed";
  if (row.status !== wanted) findings.push(`C2: ${jobId} is ${row.status}, not ${wanted}`);
  if (row.open_tasks + row.open_stages > 0)
    findings.push(`C2: ${jobId} has ended with ${row.open_tasks} open tasks and ${row.open_stages} open stages`);
  if (row.ends !== 1 + intent.expected.retries) findings.push(`C2: ${jobId} ended ${row.ends} times`);
  if (row.counted !== intent.files.length) findings.push(`C2: ${jobId} counts ${row.counted} ended items of ${intent.files.length}`);
  if (row.repeated_outputs > 0) findings.push(`C3: ${row.repeated_outputs} items of ${jobId} have a step's output twice`);
  if (row.foreign_outputs > 0) findings.push(`C3: ${row.foreign_outputs} outputs of ${jobId} are not of the holding that ended their task`);
  if (row.lost_outputs > 0) findings.push(`C3: ${row.lost_outputs} outputs of ${jobId} have no stored file`);
  return findings;
}
