import type { Transaction } from "../db/database.ts";
import { generatedDocument, generatedInput } from "../record/generated-id.ts";
import { followDown, followUp, type LineageEdge } from "./lineage-links.ts";
import { readLineageFiles, type LineageFile } from "./lineage-files.ts";

/** From a file to what it was made from (up), or to what was made from it (down). */
export type LineageDirection = "up" | "down" | "both";

export interface LineageQuestion {
  /** uuid */
  readonly fileId: string;
  readonly direction: LineageDirection;
  /** How many steps away from the file. */
  readonly depth: number;
  /** Links from one file to another in each direction, at most. */
  readonly limit: number;
}

export interface Lineage {
  /** The file asked about first, then in the order in which they were met. */
  readonly files: readonly LineageFile[];
  readonly edges: readonly LineageEdge[];
  /** There is more: behind `depth`, or left out for `limit`. */
  readonly truncated: boolean;
}

/**
 * What came from what, around one file: its ancestors, its descendants, or both (never the other inputs of its
 * descendants). Level by level, so that what is left out is what lies farthest away; each level costs a few statements over
 * indexes, and memory is bounded by `limit`, however many files a gather took. Inside a transaction of the tenant.
 * Undefined where the tenant has no such file; one that is deleted has its history all the same.
 */
export async function readLineage(transaction: Transaction, question: LineageQuestion): Promise<Lineage | undefined> {
  const [root] = await readLineageFiles(transaction, [question.fileId]);
  if (!root) return undefined;
  const found = new Map<string, LineageEdge>();
  let truncated = false;
  for (const direction of ["up", "down"] as const) {
    if (question.direction !== direction && question.direction !== "both") continue;
    const walked = await walk(transaction, question, direction);
    for (const edge of walked.edges) mergeEdge(found, edge);
    truncated ||= walked.truncated;
  }
  const edges = [...found.values()];
  const others = new Set(edges.flatMap((edge) => [edge.output, ...edge.inputs]));
  others.delete(root.id);
  const files = await readLineageFiles(transaction, [...others]);
  const byId = new Map(files.map((file) => [file.id, file]));
  return { files: [root, ...[...others].map((id) => byId.get(id) ?? withoutRow(id))], edges, truncated };
}

async function walk(
  transaction: Transaction,
  { fileId, depth, limit }: LineageQuestion,
  direction: "up" | "down",
): Promise<{ edges: LineageEdge[]; truncated: boolean }> {
  const follow = direction === "up" ? followUp : followDown;
  const seen = new Set([fileId]);
  const edges: LineageEdge[] = [];
  let frontier = [fileId];
  let room = limit;
  for (let level = 0; level < depth && frontier.length > 0; level++) {
    const found = await follow(transaction, frontier, room);
    edges.push(...found.edges);
    if (found.more) return { edges, truncated: true };
    room -= found.edges.reduce((sum, edge) => sum + edge.inputs.length, 0);
    const next = found.edges.flatMap((edge) => (direction === "up" ? edge.inputs : [edge.output]));
    frontier = [...new Set(next)].filter((id) => !seen.has(id));
    for (const id of frontier) seen.add(id);
  }
  return { edges, truncated: frontier.length > 0 && (await follow(transaction, frontier, 0)).more };
}

/** A step that handed its input on lies above the file and below it. */
function mergeEdge(edges: Map<string, LineageEdge>, edge: LineageEdge): void {
  const key = [edge.taskId, edge.ordinal, edge.step, edge.part, edge.output].join("/");
  const known = edges.get(key);
  edges.set(key, known ? { ...known, inputs: [...new Set([...known.inputs, ...edge.inputs])] } : edge);
}

/** A generated input, which never had a row; or a file whose row is gone, so that only what was made of it still tells. */
function withoutRow(id: string): LineageFile {
  const input = generatedInput(id);
  if (input) {
    const { name, mediaType, content, sha256 } = generatedDocument(input);
    const file = { id, name, sizeBytes: content.length, sha256: sha256.toString("hex"), mediaType, status: "stored" as const };
    return { ...file, origin: "generated", createdAt: null, source: null };
  }
  return { id, name: null, sizeBytes: null, sha256: null, mediaType: null, status: "deleted", origin: null, createdAt: null, source: null };
}
