import { parseDuration, parseSize } from "@filemill/contract/parse-units.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Throws RangeError with what the value must be, worded to follow the variable's name. */
export type Parse = (text: string) => string;

/** Reads variables one by one and remembers what is wrong with them, so that all of it can be told at once. */
export interface Reader {
  text(name: string, parse?: Parse): string | undefined;
  /** As text, for what is more than text. */
  parsed<Value>(name: string, parse: (text: string) => Value): Value | undefined;
  number(name: string, range: { readonly least: number; readonly most: number }): number | undefined;
  /** Bytes of a size with a unit, such as 5GiB. */
  size(name: string): number | undefined;
  /** Milliseconds of a duration with a unit, such as 90s. */
  duration(name: string): number | undefined;
  oneOf<const Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined;
  /** Separated by commas; at least one, none twice. */
  list(name: string, parse: Parse): string[] | undefined;
  /** The variable must be set, to something like `example`. */
  require(name: string, example: string): void;
  /** These are known, but not ours to read. */
  acceptAlso(names: readonly string[]): void;
  complain(problem: string): void;
  /** Everything that is wrong, a sentence each, with the FILEMILL_* variables that nobody asked for. */
  finish(): string[];
}

const PREFIX = "FILEMILL_";
/** More letters than that apart, a guess is of no help. */
const MAX_DISTANCE = 4;

export function openReader(env: Environment): Reader {
  const known = new Set<string>();
  const problems: string[] = [];

  function read<Value>(name: string, parse: (text: string) => Value): Value | undefined {
    known.add(name);
    const text = env[name]?.trim();
    if (text === undefined || text === "") return undefined;
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      problems.push(`${name} ${error.message}`);
      return undefined;
    }
  }

  return {
    text: (name, parse) => read(name, parse ?? String),
    parsed: read,
    number: (name, range) => read(name, (text) => parseNumber(text, range)),
    size: (name) => read(name, parsePositiveSize),
    duration: (name) => read(name, parsePositiveDuration),
    oneOf: (name, choices) => read(name, (text) => parseChoice(text, choices)),
    list: (name, parse) => read(name, (text) => parseList(text, parse)),
    require(name, example) {
      if ((env[name] ?? "").trim() === "") problems.push(`${name} must be set with NODE_ENV=production: ${example}`);
    },
    acceptAlso(names) {
      for (const name of names) known.add(name);
    },
    complain(problem) {
      problems.push(problem);
    },
    finish() {
      const unknown = Object.keys(env).filter((name) => name.startsWith(PREFIX) && !known.has(name));
      return [...problems, ...unknown.map((name) => unknownVariable(name, [...known]))];
    },
  };
}

function parseNumber(text: string, { least, most }: { least: number; most: number }): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) throw new RangeError(`must be a whole number from ${least} to ${most}, not "${text}"`);
  return value;
}

function parsePositiveSize(text: string): number {
  let value = 0;
  try {
    value = parseSize(text);
  } catch {
    // Said below, in this file's words.
  }
  if (value <= 0) throw new RangeError(`must be a size with a unit such as "5GiB", not "${text}"`);
  return value;
}

function parsePositiveDuration(text: string): number {
  let value = 0;
  try {
    value = parseDuration(text);
  } catch {
    // Said below, in this file's words.
  }
  if (value <= 0) throw new RangeError(`must be a duration with a unit such as "1h", not "${text}"`);
  return value;
}

function parseChoice<Choice extends string>(text: string, choices: readonly Choice[]): Choice {
  const chosen = choices.find((choice) => choice === text);
  if (chosen === undefined) throw new RangeError(`must be one of ${choices.join(", ")}, not "${text}"`);
  return chosen;
}

function parseList(text: string, parse: Parse): string[] {
  const values = text.split(",").map((part) => parse(part.trim()));
  if (new Set(values).size < values.length) throw new RangeError(`names something twice: "${text}"`);
  return values;
}

function unknownVariable(name: string, known: readonly string[]): string {
  const [nearest] = known
    .map((candidate) => ({ candidate, letters: distance(name, candidate) }))
    .filter(({ letters }) => letters <= MAX_DISTANCE)
    .sort((left, right) => left.letters - right.letters);
  return `${name} is not a setting of Filemill${nearest ? `; did you mean ${nearest.candidate}?` : ""}`;
}

/** Levenshtein's: letters to add, remove or change. */
function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_unused, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const change = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
