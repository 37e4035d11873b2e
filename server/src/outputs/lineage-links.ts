import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/** One run of a step of a job, as far as it was asked about: it made `output` from `inputs`. */
export interface LineageEdge {
  readonly jobId: string;
  readonly taskId: string;
  /** The item; of a reduction tree the node, of a gather 0. */
  readonly ordinal: number;
  readonly part: number;
  readonly step: string;
  readonly processor: string;
  readonly processorVersion: string;
  readonly kind: "map" | "reduce";
  readonly output: string;
  /** Those on the way to what was asked about; of a reduce not always all. */
  readonly inputs: readonly string[];
  readonly inputsTotal: number;
  /** The step handed its input on unchanged: `inputs` is `[output]`. */
  readonly passed: boolean;
  /** The file whose content was used again instead of running the step. */
  readonly reusedFrom: string | null;
}

/** One level of a file's history. `more`: there are links that had no room. */
export interface Followed {
  readonly edges: readonly LineageEdge[];
  readonly more: boolean;
}

/**
 * The steps that made these files, with what they made them from: at most `room` links. A map's output names its one
 * input; what a reduce took stands in task_inputs once, however many outputs it has, and of a list of a million files
 * only the part that has room leaves the database.
 */
export async function followUp(transaction: Transaction, files: readonly string[], room: number): Promise<Followed> {
  const rows = await transaction.query<OutputLink>(sql`
    SELECT ${COLUMNS}
    FROM unnest(${files}::uuid[]) AS asked(id) CROSS JOIN LATERAL (
      SELECT * FROM outputs WHERE file_id = asked.id ORDER BY inputs = ARRAY[file_id], job_id, ordinal, step, task_id, part
      LIMIT ${room + 1}) AS made
    LIMIT ${room + 1}`);
  const reduces = await takenBy(transaction, rows.filter(isReduce), room);
  const edges: LineageEdge[] = [];
  let left = room;
  let more = rows.length > room || reduces.more;
  for (const row of rows) {
    const reduce = isReduce(row) ? reduces.taken.get(keyOf(row)) : undefined;
    const inputs = reduce?.inputs ?? row.inputs;
    const taken = inputs.slice(0, left);
    more ||= taken.length < inputs.length;
    left -= taken.length;
    if (taken.length > 0) edges.push(edgeOf(row, { inputs: taken, total: reduce?.total ?? inputs.length }));
  }
  return { edges, more };
}

/** The steps that took these files, and what they made of them: at most `room` links. */
export async function followDown(transaction: Transaction, files: readonly string[], room: number): Promise<Followed> {
  const rows = await transaction.query<OutputLink>(sql`
    SELECT ${COLUMNS}
    FROM unnest(${files}::uuid[]) AS asked(id) CROSS JOIN LATERAL (
      SELECT * FROM outputs WHERE inputs[1] = asked.id ORDER BY inputs[1], job_id LIMIT ${room + 1}) AS made
    LIMIT ${room + 1}`);
  const maps = rows.slice(0, room).map((row) => edgeOf(row, { inputs: row.inputs, total: row.inputs.length }));
  const reduces = await reducesOf(transaction, files, room - maps.length);
  return { edges: [...maps, ...reduces.edges], more: rows.length > room || reduces.more };
}

interface OutputLink {
  readonly jobId: string;
  readonly taskId: string;
  readonly ordinal: number;
  readonly part: number;
  readonly step: string;
  readonly processor: string;
  readonly processorVersion: string;
  readonly fileId: string;
  /** Of a map its one input; empty for a reduce. */
  readonly inputs: readonly string[];
  readonly reusedFrom: string | null;
}

const COLUMNS = sql`made.job_id AS "jobId", made.task_id AS "taskId", made.ordinal, made.part, made.step, made.processor,
  made.processor_version AS "processorVersion", made.file_id AS "fileId", made.inputs, made.reused_from AS "reusedFrom"`;

function isReduce(row: OutputLink): boolean {
  return row.inputs.length === 0;
}

function edgeOf(row: OutputLink, { inputs, total }: { inputs: readonly string[]; total: number }): LineageEdge {
  const { fileId: output, inputs: own, ...rest } = row;
  const passed = inputs.includes(output);
  const made = { ...rest, kind: own.length === 0 ? ("reduce" as const) : ("map" as const), output, passed };
  return passed ? { ...made, inputs: [output], inputsTotal: 1 } : { ...made, inputs, inputsTotal: total };
}

interface Taken {
  readonly inputs: string[];
  readonly total: number;
}

function keyOf(row: { readonly taskId: string; readonly fileId: string }): string {
  return `${row.taskId}/${row.fileId}`;
}

/**
 * What reduces took, in order, at most `room` in all; by task and output, because a file that a reduce handed on unchanged was
 * made from none of the others.
 */
async function takenBy(
  transaction: Transaction,
  reduces: readonly OutputLink[],
  room: number,
): Promise<{ taken: ReadonlyMap<string, Taken>; more: boolean }> {
  const taken = new Map<string, Taken>();
  if (reduces.length === 0) return { taken, more: false };
  const rows = await transaction.query<{ taskId: string; fileId: string; input: string; total: number }>(sql`
    SELECT reduce.task_id AS "taskId", asked.output AS "fileId", piece AS input, total
    FROM unnest(${reduces.map(({ taskId }) => taskId)}::uuid[], ${reduces.map(({ fileId }) => fileId)}::uuid[]) AS asked(id, output)
    CROSS JOIN LATERAL (
      SELECT task_id, cardinality(files) AS total,
        CASE WHEN asked.output = ANY(files) THEN ARRAY[asked.output] ELSE files[1:${room + 1}] END AS pieces
      FROM task_inputs WHERE task_id = asked.id OFFSET 0) AS reduce
    CROSS JOIN LATERAL unnest(pieces) AS piece
    LIMIT ${room + 1}`);
  for (const row of rows) {
    const known = taken.get(keyOf(row));
    if (known) known.inputs.push(row.input);
    else taken.set(keyOf(row), { inputs: [row.input], total: row.total });
  }
  return { taken, more: rows.length > room };
}

/** Trees and gathers that took some of these files, with these files as their inputs. */
async function reducesOf(transaction: Transaction, files: readonly string[], room: number): Promise<Followed> {
  const taken = await transaction.query<{ input: string; taskId: string }>(sql`
    SELECT input, task_id AS "taskId" FROM reduces_of(${files}::uuid[], ${room + 1})`);
  if (taken.length === 0) return { edges: [], more: false };
  const byTask = Map.groupBy(taken.slice(0, Math.max(1, room)), (row) => row.taskId);
  const rows = await transaction.query<OutputLink & { total: number; isPassed: boolean }>(sql`
    SELECT ${COLUMNS}, total, made.file_id = ANY(files) AS "isPassed"
    FROM outputs AS made JOIN (
      SELECT task_id, files, cardinality(files) AS total FROM task_inputs WHERE task_id = ANY(${[...byTask.keys()]}::uuid[]) OFFSET 0
    ) AS reduce USING (task_id)
    WHERE made.task_id = ANY(${[...byTask.keys()]}::uuid[])
    ORDER BY made.job_id, made.ordinal, made.step, made.task_id, made.part LIMIT ${room + 1}`);
  const edges: LineageEdge[] = [];
  for (const { total, isPassed, ...row } of rows.slice(0, room)) {
    const own = (byTask.get(row.taskId) ?? []).map(({ input }) => input);
    const inputs = isPassed ? own.filter((input) => input === row.fileId) : own;
    if (inputs.length > 0) edges.push(edgeOf(row, { inputs, total }));
  }
  return { edges, more: rows.length > 0 && (taken.length > room || rows.length > room) };
}
