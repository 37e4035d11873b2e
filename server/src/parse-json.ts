/** A pipeline document has at most 32 levels; the rest is room for what stands around it. */
const MAX_DEPTH = 64;
/** Objects and arrays. A hundred thousand inputs are texts in one array; a document of 256 KiB has far fewer. */
const MAX_CONTAINERS = 100_000;

/** JSON that would cost far more memory as objects than it has bytes. */
export class JsonTooComplex extends Error {
  constructor(why: string) {
    super(`it ${why}`);
    this.name = "JsonTooComplex";
  }
}

/** JSON.parse for texts of clients. Throws SyntaxError, or JsonTooComplex before anything is built. */
export function parseJson(text: string): unknown {
  checkComplexity(text);
  return JSON.parse(text);
}

/**
 * One look at every character before parsing: 8 MB of `[` is a small body, and hundreds of megabytes once it is arrays in
 * arrays. Throws JsonTooComplex. A text that is no JSON may pass; the parser says so.
 */
export function checkComplexity(text: string): void {
  let depth = 0;
  let containers = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) index = endOfText(text, index);
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      depth++;
      containers++;
      if (depth > MAX_DEPTH) throw new JsonTooComplex(`is nested deeper than ${MAX_DEPTH} levels`);
      if (containers > MAX_CONTAINERS) throw new JsonTooComplex(`has more than ${MAX_CONTAINERS} objects and arrays`);
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Where the text that begins at `start` ends; behind the end of everything where it does not. */
function endOfText(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === BACKSLASH) index++;
    else if (code === QUOTE) return index;
  }
  return text.length;
}
