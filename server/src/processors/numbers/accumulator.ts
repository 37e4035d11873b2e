import type { DDSketch } from "@datadog/sketches-js";
import { createMoments, resultOf, type MomentsResult, type MomentsState } from "./moments.ts";
import type { NumberSink } from "./number-scanner.ts";

/** All that numbers.stats tells of one stream of numbers; mergeable. */
export interface Accumulator extends Pick<NumberSink, "large" | "decimal"> {
  /** An integer of at most 15 digits. */
  small(value: number): void;
  merge(other: AccumulatorState): void;
  state(): AccumulatorState;
}

/** JSON. Extremes are texts, because an integer may be larger than a number holds exactly. */
export interface AccumulatorState {
  readonly moments: MomentsState;
  readonly min: string | null;
  readonly max: string | null;
  /** Protocol buffer, base64; left out where no quantiles are asked for. */
  readonly sketch?: string;
}

export interface AccumulatorResult extends MomentsResult {
  readonly min: number | bigint;
  readonly max: number | bigint;
  /** By their order in `quantiles`. */
  readonly quantiles: readonly number[];
}

/** A class of the library, loaded by whoever runs the step. */
export type Sketches = typeof DDSketch;

/** `sketches` left out: no quantiles. */
export function createAccumulator(options: { readonly sketches?: Sketches | undefined; readonly accuracy: number }): Accumulator {
  const moments = createMoments();
  const sketch = options.sketches && new options.sketches({ relativeAccuracy: options.accuracy });
  let min: number | bigint = Infinity;
  let max: number | bigint = -Infinity;

  function widen(value: number | bigint): void {
    if (value < min) min = value;
    if (value > max) max = value;
  }

  return {
    small(value) {
      moments.small(value);
      widen(value);
      sketch?.accept(value);
    },
    large(value) {
      moments.large(value);
      widen(value);
      sketch?.accept(Number(value));
    },
    decimal(value) {
      moments.decimal(value);
      widen(value);
      sketch?.accept(value);
    },
    merge(other) {
      moments.merge(other.moments);
      if (other.min !== null) widen(parse(other.min));
      if (other.max !== null) widen(parse(other.max));
      if (sketch && options.sketches && other.sketch !== undefined) {
        mergeSketches(sketch, options.sketches.fromProto(Buffer.from(other.sketch, "base64")));
      }
    },
    state: () => ({
      moments: moments.state(),
      min: min === Infinity ? null : String(min),
      max: max === -Infinity ? null : String(max),
      ...(sketch && { sketch: Buffer.from(sketch.toProto()).toString("base64") }),
    }),
  };
}

/** `count` is at least 1. A quantile is within the sketch's accuracy of a number that is there; 0 and 1 are the extremes. */
export function accumulated(
  state: AccumulatorState,
  { sketches, quantiles }: { readonly sketches?: Sketches | undefined; readonly quantiles: readonly number[] },
): AccumulatorResult {
  const min = parse(state.min ?? "0");
  const max = parse(state.max ?? "0");
  const sketch = state.sketch === undefined ? undefined : sketches?.fromProto(Buffer.from(state.sketch, "base64"));
  const at = (quantile: number): number => {
    if (quantile === 0) return Number(min);
    if (quantile === 1) return Number(max);
    return Math.min(Number(max), Math.max(Number(min), sketch?.getValueAtQuantile(quantile) ?? Number.NaN));
  };
  return { ...resultOf(state.moments), min, max, quantiles: quantiles.map(at) };
}

/** The library's own merge (2.1.1) forgets the negative numbers of a sketch that goes into one that is not empty. */
function mergeSketches(into: MergeableSketch, other: MergeableSketch): void {
  const expected = into.negativeStore.count + other.negativeStore.count;
  into.merge(other);
  if (into.negativeStore.count < expected) into.negativeStore.merge(other.negativeStore);
}

type MergeableSketch = InstanceType<Sketches>;

function parse(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) || !/^-?\d+$/.test(text) ? value : BigInt(text);
}
