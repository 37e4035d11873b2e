import { divide } from "./divide.ts";

/**
 * What count, sum, mean and variance of a stream of numbers follow from, mergeable in any tree. While all are integers it is
 * exact: sums of numbers and of their squares as integers of any size. From the first decimal on it is a compensated sum
 * (Neumaier) beside mean and squared distances from it (Welford, merged as by Chan), which lose no digits where numbers lie
 * close together and far from 0.
 */
export interface Moments {
  small(value: number): void;
  large(value: bigint): void;
  decimal(value: number): void;
  merge(other: MomentsState): void;
  state(): MomentsState;
}

/** JSON. Integers of any size are texts. */
export type MomentsState =
  | { readonly count: number; readonly sum: string; readonly squares: string }
  | { readonly count: number; readonly sum: number; readonly rest: number; readonly mean: number; readonly distances: number };

export interface MomentsResult {
  readonly count: number;
  /** A bigint where all were integers. */
  readonly sum: number | bigint;
  readonly mean: number;
  /** Of the sample, over count − 1; null for a single number. */
  readonly variance: number | null;
}

/** Squares of numbers up to this stay exact when added to a sum below 2^52. */
const EXACT_SQUARE = 2 ** 25;
const SPILL_AT = 2 ** 52;

export function createMoments(): Moments {
  let count = 0;
  /** What has not been spilled into the big sums yet: exact integers below 2^53. */
  let sum = 0;
  let squares = 0;
  let bigSum = 0n;
  let bigSquares = 0n;
  let inexact: Inexact | undefined;

  function exactState(): { count: number; sum: bigint; squares: bigint } {
    return { count, sum: bigSum + BigInt(sum), squares: bigSquares + BigInt(squares) };
  }

  const moments: Moments = {
    small(value) {
      if (inexact) return inexact.add(value);
      count++;
      sum += value;
      if (sum > SPILL_AT || sum < -SPILL_AT) {
        bigSum += BigInt(sum);
        sum = 0;
      }
      if (value > EXACT_SQUARE || value < -EXACT_SQUARE) bigSquares += BigInt(value) ** 2n;
      else squares += value * value;
      if (squares > SPILL_AT) {
        bigSquares += BigInt(squares);
        squares = 0;
      }
    },
    large(value) {
      if (inexact) return inexact.add(Number(value));
      count++;
      bigSum += value;
      bigSquares += value * value;
    },
    decimal(value) {
      inexact ??= createInexact(inexactOf(exactState()));
      inexact.add(value);
    },
    merge(other) {
      if (other.count === 0) return;
      if (typeof other.sum === "string" && "squares" in other && !inexact) {
        count += other.count;
        bigSum += BigInt(other.sum);
        bigSquares += BigInt(other.squares);
        return;
      }
      inexact ??= createInexact(inexactOf(exactState()));
      inexact.merge("squares" in other ? inexactOf({ count: other.count, sum: BigInt(other.sum), squares: BigInt(other.squares) }) : other);
    },
    state() {
      if (inexact) return inexact.state();
      const exact = exactState();
      return { count, sum: String(exact.sum), squares: String(exact.squares) };
    },
  };
  return moments;
}

export function resultOf(state: MomentsState): MomentsResult {
  const { count } = state;
  if (!("squares" in state)) {
    return { count, sum: state.sum + state.rest, mean: state.mean, variance: count > 1 ? state.distances / (count - 1) : null };
  }
  const sum = BigInt(state.sum);
  const many = BigInt(count);
  const variance = count > 1 ? divide(many * BigInt(state.squares) - sum * sum, many * (many - 1n)) : null;
  return { count, sum, mean: divide(sum, many), variance };
}

type InexactState = Exclude<MomentsState, { readonly squares: string }>;

interface Inexact {
  add(value: number): void;
  merge(other: InexactState): void;
  state(): InexactState;
}

function createInexact(start: InexactState): Inexact {
  let { count, sum, rest, mean, distances } = start;

  function addToSum(value: number): void {
    const next = sum + value;
    rest += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }

  return {
    add(value) {
      count++;
      addToSum(value);
      const distance = value - mean;
      mean += distance / count;
      distances += distance * (value - mean);
    },
    merge(other) {
      if (other.count === 0) return;
      const total = count + other.count;
      const distance = other.mean - mean;
      distances += other.distances + distance * distance * ((count * other.count) / total);
      mean += distance * (other.count / total);
      addToSum(other.sum);
      rest += other.rest;
      count = total;
    },
    state: () => ({ count, sum, rest, mean, distances }),
  };
}

function inexactOf({ count, sum, squares }: { count: number; sum: bigint; squares: bigint }): InexactState {
  if (count === 0) return { count, sum: 0, rest: 0, mean: 0, distances: 0 };
  const many = BigInt(count);
  return { count, sum: Number(sum), rest: 0, mean: divide(sum, many), distances: divide(many * squares - sum * sum, many) };
}
