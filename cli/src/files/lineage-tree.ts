import type { LineageAnswer, LineageDirection, LineageEdge, LineageFile } from "@filemill/contract/lineage.ts";
import { size, when } from "../terminal/print.ts";

/** Branches shown at one place; --json has all. */
const SHOWN = 20;

/** A file's history for people: what it was made from as one tree, what was made from it as another. */
export function lineageTree(lineage: LineageAnswer, direction: LineageDirection): string[] {
  const files = new Map(lineage.files.map((file) => [file.id, file]));
  const root = lineage.file_id;
  const tree: Tree = { files, edges: lineage.edges };
  const up = direction === "down" ? [] : branches(tree, root, upwards);
  const down = direction === "up" ? [] : branches(tree, root, downwards);
  return [
    nameOf(files.get(root), root),
    ...(direction === "down" ? [] : ["made from", ...(up.length > 0 ? up : ["└─ nothing that is known: it was sent or collected"])]),
    ...(direction === "up" ? [] : ["used for", ...(down.length > 0 ? down : ["└─ nothing"])]),
    ...(lineage.truncated ? ["There is more: raise --depth or --limit, or ask about one of the files above."] : []),
  ];
}

interface Tree {
  readonly files: ReadonlyMap<string, LineageFile>;
  readonly edges: readonly LineageEdge[];
}

/** A line, and the files below it. */
interface Branch {
  readonly line: string;
  readonly below: readonly string[];
  readonly left: number;
}

type Look = (tree: Tree, id: string) => Branch[];

const upwards: Look = ({ edges }, id) =>
  edges
    .filter((edge) => edge.output === id)
    .map((edge) => ({
      line: `by ${stepsOf(edge)}`,
      below: edge.passed ? [] : edge.inputs,
      left: edge.passed ? 0 : edge.inputs_total - edge.inputs.length,
    }));

const downwards: Look = ({ edges }, id) =>
  edges
    .filter((edge) => edge.inputs.includes(id))
    .map((edge) => ({
      line: edge.inputs_total > 1 ? `with ${edge.inputs_total - 1} more, by ${stepsOf(edge)}` : `by ${stepsOf(edge)}`,
      below: edge.passed ? [] : [edge.output],
      left: 0,
    }));

/** `above`: files on the way here, so that a history that were a circle would end all the same. */
function branches(tree: Tree, id: string, look: Look, above: readonly string[] = []): string[] {
  const found = look(tree, id);
  const lines = found.slice(0, SHOWN).map(({ line, below, left }) => {
    const shown = below.filter((file) => !above.includes(file) && file !== id).slice(0, SHOWN);
    const more = below.length - shown.length + left;
    const children = shown.map((file) => [nameOf(tree.files.get(file), file), ...branches(tree, file, look, [...above, id])]);
    return [line, ...drawn([...children, ...(more > 0 ? [[`… and ${more} more`]] : [])])];
  });
  return drawn([...lines, ...(found.length > SHOWN ? [[`… and ${found.length - SHOWN} more`]] : [])]);
}

/** Blocks of lines as branches of a tree. */
function drawn(blocks: readonly (readonly string[])[]): string[] {
  return blocks.flatMap((block, place) => {
    const isLast = place === blocks.length - 1;
    return block.map((line, index) => (index === 0 ? `${isLast ? "└─" : "├─"} ${line}` : `${isLast ? "  " : "│ "} ${line}`));
  });
}

function stepsOf(edge: LineageEdge): string {
  const chain = edge.steps.map(({ processor, version }) => `${processor} ${version}`).join(" → ");
  const notes = [
    edge.job_id,
    ...(edge.pipeline === null ? [] : [edge.pipeline]),
    ...(edge.job_deleted ? ["job deleted"] : []),
    ...(edge.passed ? ["handed on unchanged"] : []),
    ...(edge.cached ? ["cached"] : []),
  ];
  return `${chain} (${notes.join(", ")})`;
}

function nameOf(file: LineageFile | undefined, id: string): string {
  if (!file || file.name === null) return `${id}  (forgotten)`;
  const state = file.status === "stored" ? [] : [file.status];
  const from = file.source ? [`from ${file.source.location}`] : [];
  const about = [file.id, size(file.size ?? 0), file.media_type ?? "", when(file.created_at), ...from, ...state];
  return `${file.name}  ${about.join("  ")}`;
}
