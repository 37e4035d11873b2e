/**
 * The candidate that was probably meant, or undefined where none is near. At most a third of the letters may differ,
 * counting a swap of neighbours as one change (optimal string alignment). A name without its group, such as `resize`
 * for `image.resize`, counts as near.
 */
export function nearest(text: string, candidates: Iterable<string>): string | undefined {
  // Names are short; a longer text is no misspelling, and the distance is quadratic.
  if (text === "" || text.length > 100) return undefined;
  const wanted = text.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(text.length / 3)) + 1;
  for (const candidate of candidates) {
    const name = candidate.toLowerCase();
    const distance = name.endsWith(`.${wanted}`) ? 0.5 : editDistance(wanted, name);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `Did you mean "x"?` or nothing, as the optional member of an issue. */
export function didYouMean(text: string, candidates: Iterable<string>): { suggestion?: string } {
  const meant = nearest(text, candidates);
  return meant === undefined ? {} : { suggestion: `Did you mean "${meant}"?` };
}

function editDistance(left: string, right: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1];
      let cost = Math.min((last[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, (last[column - 1] ?? 0) + (same ? 0 : 1));
      if (row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]) {
        cost = Math.min(cost, (beforeLast[column - 2] ?? 0) + 1);
      }
      current.push(cost);
    }
    beforeLast = last;
    last = current;
  }
  return last[right.length] ?? 0;
}
