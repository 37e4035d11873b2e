/**
 * Step names in an order in which each comes after those it needs; among those that could come next, by name, because a
 * document that was in the database has lost the order of its keys. Steps on a cycle, or behind one, are left out.
 */
export function orderSteps(needsOf: ReadonlyMap<string, readonly string[]>): string[] {
  const left = new Map([...needsOf].toSorted(([one], [other]) => (one < other ? -1 : 1)));
  const done = new Set<string>();
  let next: string | undefined;
  do {
    next = undefined;
    for (const [name, needs] of left) {
      if (needs.every((need) => done.has(need) || !needsOf.has(need))) {
        next = name;
        break;
      }
    }
    if (next !== undefined) {
      left.delete(next);
      done.add(next);
    }
  } while (next !== undefined);
  return [...done];
}
