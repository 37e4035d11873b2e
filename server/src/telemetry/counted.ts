import type { MetricType, Registry } from "prom-client";

/** What a counter or a histogram has counted, in a form that outlives its process. */
export interface CountedMetric {
  readonly name: string;
  readonly type: "counter" | "histogram";
  readonly help: string;
  readonly samples: readonly CountedSample[];
}

export interface CountedSample {
  /** The metric's; of a histogram with _bucket, _sum or _count behind it. */
  readonly name: string;
  /** As Prometheus writes them between braces, sorted by name. */
  readonly labels: string;
  readonly value: number;
}

/** Every counter and histogram that has counted anything; gauges tell of a moment, and nothing of them is to be kept. */
export async function countedIn(registry: Registry): Promise<CountedMetric[]> {
  const metrics = await registry.getMetricsAsJSON();
  return metrics.flatMap(({ name, help, type, values }) => {
    const kind = kindOf(type);
    if (kind === undefined || values.every(({ value }) => value === 0)) return [];
    const samples = values.map((sample) => ({
      name: "metricName" in sample && typeof sample.metricName === "string" ? sample.metricName : name,
      labels: labelText(sample.labels),
      value: sample.value,
    }));
    return [{ name, type: kind, help, samples }];
  });
}

/** As the text of Prometheus, with one more label on every line. */
export function countedText(metrics: readonly CountedMetric[], label: string): string {
  return metrics
    .map(({ name, type, help, samples }) => {
      const lines = samples.map((sample) => `${sample.name}{${[label, sample.labels].filter(Boolean).join(",")}} ${sample.value}`);
      return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ""].join("\n");
    })
    .join("\n");
}

/** In the library's types an enum, in its answers a text. */
function kindOf(type: MetricType | string): CountedMetric["type"] | undefined {
  const text = String(type);
  return text === "counter" || text === "histogram" ? text : undefined;
}

function labelText(labels: Readonly<Record<string, unknown>>): string {
  return Object.entries(labels)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, value]) => `${name}="${String(value).replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"')}"`)
    .join(",");
}
