import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { expectedInputs, isRoot, type Tree } from "./tree.ts";

/** The result of node or leaf `slot` of the level below `level`; without a file where there is none (a skipped item). */
export interface TreeArrival {
  readonly level: number;
  readonly slot: number;
  readonly fileId: string | undefined;
}

/** All of a node's inputs are there, in slot order. */
export interface CompleteNode {
  readonly level: number;
  readonly node: number;
  readonly root: boolean;
  readonly files: readonly string[];
}

export interface TreeOfStage {
  readonly jobId: string;
  readonly tenantId: string;
  readonly stage: number;
  readonly tree: Tree;
}

/**
 * Takes arrivals in and returns the nodes that they complete. A node whose inputs all arrive together never touches
 * tree_nodes; the others add up there, and the row's lock makes exactly one transaction the one that completes it. A node
 * without any file passes "nothing" up instead of making a task.
 */
export async function takeArrivals(transaction: Transaction, of: TreeOfStage, arrivals: readonly TreeArrival[]): Promise<CompleteNode[]> {
  const complete: CompleteNode[] = [];
  let pending = arrivals;
  while (pending.length > 0) {
    const groups = grouped(of.tree, pending);
    const whole = groups.filter((group) => group.slots.length === group.expected);
    const partial = groups.filter((group) => group.slots.length < group.expected);
    const finished = [...whole, ...(partial.length === 0 ? [] : await addUp(transaction, of, partial))];
    const passedUp: TreeArrival[] = [];
    for (const group of finished) {
      const files = group.slots.flatMap((slot) => slot.fileId ?? []);
      const root = isRoot(of.tree, group.level);
      if (files.length > 0) complete.push({ level: group.level, node: group.node, root, files });
      else if (!root) passedUp.push({ level: group.level + 1, slot: group.node, fileId: undefined });
    }
    pending = passedUp;
  }
  return complete;
}

interface Group {
  readonly level: number;
  readonly node: number;
  readonly expected: number;
  /** In slot order. */
  readonly slots: { slot: number; fileId: string | undefined }[];
}

function grouped(tree: Tree, arrivals: readonly TreeArrival[]): Group[] {
  const groups = new Map<string, Group>();
  for (const { level, slot, fileId } of arrivals) {
    const node = Math.floor(slot / tree.fanIn);
    const key = `${level}/${node}`;
    const group = groups.get(key) ?? { level, node, expected: expectedInputs(tree, level, node), slots: [] };
    group.slots.push({ slot, fileId });
    groups.set(key, group);
  }
  for (const group of groups.values()) group.slots.sort((left, right) => left.slot - right.slot);
  return [...groups.values()];
}

const NO_FILE = "00000000-0000-0000-0000-000000000000";

/** Ordered by (level, node), so that two transactions that touch the same nodes never wait for each other in a circle. */
async function addUp(transaction: Transaction, of: TreeOfStage, groups: readonly Group[]): Promise<Group[]> {
  const ordered = groups.toSorted((left, right) => left.level - right.level || left.node - right.node);
  const rows = await transaction.query<{ level: number; node: number; expected: number; slots: string; files: string }>(sql`
    INSERT INTO tree_nodes AS node (job_id, stage, level, node, tenant_id, expected, arrived, slots, files)
    SELECT ${of.jobId}::uuid, ${of.stage}::smallint, level, number, ${of.tenantId}::uuid, expected, arrived, slots::bigint[], files::uuid[]
    FROM unnest(
      ${ordered.map((group) => group.level)}::smallint[], ${ordered.map((group) => group.node)}::bigint[],
      ${ordered.map((group) => group.expected)}::int[], ${ordered.map((group) => group.slots.length)}::int[],
      ${ordered.map((group) => `{${group.slots.map((slot) => slot.slot).join(",")}}`)}::text[],
      ${ordered.map((group) => `{${group.slots.map((slot) => slot.fileId ?? NO_FILE).join(",")}}`)}::text[]
    ) WITH ORDINALITY AS given(level, number, expected, arrived, slots, files, place)
    ORDER BY place
    ON CONFLICT (job_id, stage, level, node) DO UPDATE
      SET arrived = node.arrived + excluded.arrived, slots = node.slots || excluded.slots, files = node.files || excluded.files
    RETURNING level, node.node AS node, expected, slots::text, files::text`);
  return rows.map(groupOfRow).filter((group) => group.slots.length === group.expected);
}

function groupOfRow(row: { level: number; node: number; expected: number; slots: string; files: string }): Group {
  const files = row.files.slice(1, -1).split(",");
  const slots = row.slots
    .slice(1, -1)
    .split(",")
    .map((slot, index) => ({ slot: Number(slot), fileId: files[index] === NO_FILE ? undefined : files[index] }));
  return { level: row.level, node: row.node, expected: row.expected, slots: slots.sort((left, right) => left.slot - right.slot) };
}
