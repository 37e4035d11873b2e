import { matchesGlob } from "node:path/posix";

/** Does a path, relative to where the source begins, match the pattern? Without one, everything does. */
export function isMatch(path: string, pattern: string | undefined): boolean {
  return pattern === undefined || matchesGlob(path, pattern);
}
