/**
 * A reduction tree over `leaves` numbered inputs with fan-in k: node (level, n), level ≥ 1, takes the nodes k·n … k·n+k−1
 * of the level below (leaves are level 0). Everything follows from arithmetic, so nothing ever searches for partners, and
 * the tree is always the same: float results repeat. 1,000 leaves with k = 5 make 200 + 40 + 8 + 2 + 1 nodes.
 */
export interface Tree {
  readonly leaves: number;
  readonly fanIn: number;
}

/** Nodes of a level; level 0 counts the leaves. One leaf still makes one node, so that a result always went through the processor. */
export function nodesAt(tree: Tree, level: number): number {
  let count = tree.leaves;
  for (let step = 0; step < level; step++) count = Math.ceil(count / tree.fanIn);
  return count;
}

/** How many inputs node (level, node) has: fan-in, but for the last of its level. */
export function expectedInputs(tree: Tree, level: number, node: number): number {
  return Math.min(tree.fanIn, nodesAt(tree, level - 1) - node * tree.fanIn);
}

/** Is this level the root, whose only node gives the result? */
export function isRoot(tree: Tree, level: number): boolean {
  return nodesAt(tree, level) === 1;
}
