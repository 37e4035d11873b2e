/** JSON pointer (RFC 6901) of a path into a document: `["steps", "a/b"]` gives `/steps/a~1b`. */
export function pointerTo(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
