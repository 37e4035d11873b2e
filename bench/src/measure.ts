/** One of those compared in a row. Set up once, measured once a round, taken down at the end. */
export interface Contestant {
  readonly name: string;
  setUp?(): Promise<void>;
  /** One measurement in the row's unit. What it needs afresh each time it prepares before it starts its clock. */
  measure(): Promise<number>;
  takeDown?(): Promise<void>;
}

export interface Row {
  readonly name: string;
  /** What a number is, for example `items/s` or `ms p50`. */
  readonly unit: string;
  readonly better: "higher" | "lower";
  /** The first is the one that the others are put in relation to. */
  readonly contestants: readonly Contestant[];
  /** Rounds; at least 5 for a figure that is written down. */
  readonly rounds: number;
}

export interface Figure {
  readonly name: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** How many times as good as the first: above 1 is better, whichever way the unit goes. */
  readonly timesFirst: number;
}

/**
 * Interleaved: every round measures every contestant once, starting with another one each time, so that a noisy
 * neighbour or a filling disk hits all of them. Takes all down, also when one fails.
 */
export async function measure(row: Row): Promise<Figure[]> {
  const samples = new Map<string, number[]>(row.contestants.map((contestant) => [contestant.name, []]));
  const ready: Contestant[] = [];
  try {
    for (const contestant of row.contestants) {
      await contestant.setUp?.();
      ready.push(contestant);
    }
    for (let round = 0; round < row.rounds; round++) {
      for (let turn = 0; turn < row.contestants.length; turn++) {
        const contestant = row.contestants[(round + turn) % row.contestants.length];
        if (contestant === undefined) continue;
        const value = await contestant.measure();
        samples.get(contestant.name)?.push(value);
        process.stderr.write(`round ${round + 1}/${row.rounds}  ${contestant.name}: ${format(value)} ${row.unit}\n`);
      }
    }
  } finally {
    await Promise.allSettled(ready.map((contestant) => contestant.takeDown?.()));
  }
  return figures(row, samples);
}

/** A table for people and one JSON line for programs. */
export function report(row: Row, measured: readonly Figure[]): void {
  const width = Math.max(...measured.map((figure) => figure.name.length), 10);
  console.log(`\n${row.name} (${row.unit}, ${row.better} is better, median of ${row.rounds})`);
  for (const figure of measured) {
    const range = `${format(figure.min)} – ${format(figure.max)}`;
    console.log(
      `  ${figure.name.padEnd(width)}  ${format(figure.median).padStart(10)}  ${range.padEnd(22)} × ${figure.timesFirst.toFixed(2)}`,
    );
  }
  console.log(JSON.stringify({ row: row.name, unit: row.unit, better: row.better, rounds: row.rounds, figures: measured }));
}

/** The value below which the fraction `at` of the samples lies. */
export function quantile(values: readonly number[], at: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? Number.NaN;
}

function figures(row: Row, samples: ReadonlyMap<string, readonly number[]>): Figure[] {
  const first = quantile(samples.get(row.contestants[0]?.name ?? "") ?? [], 0.5);
  return row.contestants.map(({ name }) => {
    const values = samples.get(name) ?? [];
    const median = quantile(values, 0.5);
    const timesFirst = row.better === "higher" ? median / first : first / median;
    return { name, median, min: Math.min(...values), max: Math.max(...values), timesFirst };
  });
}

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}
