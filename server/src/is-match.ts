/**
 * Does a path, relative to where the source begins, match the pattern? `*` is any part of one name, `?` one character, `**` as
 * a whole name any number of names; all else is itself. Without a pattern, everything matches.
 *
 * Own code, because patterns come from users: the matcher of node:path takes minutes for some of 60 characters (braces and
 * nested groups). Here a path costs at most its length times the pattern's, as only the last wildcard is ever gone back to.
 */
export function isMatch(path: string, pattern: string | undefined): boolean {
  if (pattern === undefined) return true;
  return matches(path.split("/"), pattern.split("/"), { isAny: (part) => part === "**", isSame: isNameMatch });
}

function isNameMatch(name: string, pattern: string): boolean {
  return matches([...name], [...pattern], {
    isAny: (part) => part === "*",
    isSame: (character, part) => part === "?" || part === character,
  });
}

interface Alphabet {
  /** Does this part of a pattern stand for any number of parts? */
  readonly isAny: (part: string) => boolean;
  readonly isSame: (part: string, pattern: string) => boolean;
}

/** What a wildcard takes grows by one whenever the rest does not fit; an earlier wildcard need never take more. */
function matches(parts: readonly string[], pattern: readonly string[], { isAny, isSame }: Alphabet): boolean {
  let at = 0;
  let place = 0;
  let wildcard: { readonly place: number; taken: number } | undefined;
  while (at < parts.length) {
    const wanted = pattern[place];
    if (wanted !== undefined && isAny(wanted)) wildcard = { place: place++, taken: at };
    else if (wanted !== undefined && isSame(parts[at] ?? "", wanted)) {
      at++;
      place++;
    } else if (wildcard) {
      at = ++wildcard.taken;
      place = wildcard.place + 1;
    } else return false;
  }
  return pattern.slice(place).every(isAny);
}
