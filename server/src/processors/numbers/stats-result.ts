import { writeFileSync } from "node:fs";
import type { AccumulatorResult } from "./accumulator.ts";

export const MEASURES = ["count", "sum", "mean", "min", "max", "variance", "stddev", "quantiles"] as const;
export type Measure = (typeof MEASURES)[number];

export interface StatsReport {
  readonly files: number;
  readonly by: "all" | "position";
  readonly measures: readonly Measure[];
  readonly quantiles: readonly number[];
  readonly results: readonly AccumulatorResult[];
}

/**
 * Writes the report as JSON. By hand, because a sum may be an integer of any size: JSON holds it, and JSON.stringify does not
 * write it.
 */
export function writeReport(path: string, report: StatsReport): void {
  const rows = report.results.map((result) => rowOf(report, result));
  const body = report.by === "all" ? (rows[0] ?? "").slice(1, -1) : `"positions":[\n${rows.join(",\n")}\n]`;
  writeFileSync(path, `{"files":${report.files},${body}}\n`, { flag: "wx" });
}

function rowOf({ measures, quantiles }: StatsReport, result: AccumulatorResult): string {
  return `{${measures.map((measure) => `"${measure}":${valueOf(measure, { quantiles, result })}`).join(",")}}`;
}

function valueOf(measure: Measure, { quantiles, result }: { quantiles: readonly number[]; result: AccumulatorResult }): string {
  if (measure === "quantiles") {
    return `{${quantiles.map((quantile, index) => `"${quantile}":${literal(result.quantiles[index] ?? null)}`).join(",")}}`;
  }
  if (measure === "stddev") return literal(result.variance === null ? null : Math.sqrt(result.variance));
  return literal(result[measure]);
}

/** What is no number in JSON (a sum of decimals that is too large for one) is null. */
function literal(value: number | bigint | null): string {
  if (typeof value === "number" && !Number.isFinite(value)) return "null";
  return String(value);
}
