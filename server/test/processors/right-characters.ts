/**
 * The part of the characters that were read right: 1 less Levenshtein's distance over the length of what should have
 * been read. How often lines are broken or words are set apart does not count.
 */
export function rightCharacters(read: string, meant: string): number {
  const [one, other] = [plain(read), plain(meant)];
  let row = Array.from({ length: other.length + 1 }, (_unused, index) => index);
  for (const [index, character] of [...one].entries()) {
    const next = [index + 1];
    for (let place = 1; place <= other.length; place++) {
      const same = character === other[place - 1] ? 0 : 1;
      next.push(Math.min((row[place - 1] ?? 0) + same, (row[place] ?? 0) + 1, (next[place - 1] ?? 0) + 1));
    }
    row = next;
  }
  return 1 - (row.at(-1) ?? 0) / other.length;
}

function plain(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
