import { InvalidArgumentError, Option } from "commander";

/** The first `count` of a list; pages behind them are not asked for. */
export async function take<T>(list: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  for await (const one of list) {
    taken.push(one);
    if (taken.length >= count) break;
  }
  return taken;
}

export function limitOption(): Option {
  return new Option("-n, --limit <count>", "how many at most").default(50).argParser(wholeNumber);
}

export function wholeNumber(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError("It must be a whole number from 1 on.");
  return count;
}

export function everything<T>(list: AsyncIterable<T>): Promise<T[]> {
  return take(list, Number.POSITIVE_INFINITY);
}
