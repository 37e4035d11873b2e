import { expect, test } from "vitest";
import { countedText } from "./counted.ts";
import { createMetrics } from "./metrics.ts";

test("what is kept of a process is what it counted: no gauges, and nothing that stayed at zero", async () => {
  const metrics = createMetrics();
  metrics.taskEnded({ kind: "map", outcome: "succeeded", seconds: 0.02 });
  metrics.streamsChanged(1);
  const counted = new Map((await metrics.counted()).map((metric) => [metric.name, metric]));
  expect(counted.get("filemill_tasks_total")).toEqual({
    name: "filemill_tasks_total",
    type: "counter",
    help: "Task attempts that ended.",
    samples: [{ name: "filemill_tasks_total", labels: 'kind="map",outcome="succeeded"', value: 1 }],
  });
  const samples = counted.get("filemill_task_seconds")?.samples ?? [];
  expect(samples).toContainEqual({ name: "filemill_task_seconds_bucket", labels: 'kind="map",le="0.01"', value: 0 });
  expect(samples).toContainEqual({ name: "filemill_task_seconds_bucket", labels: 'kind="map",le="0.025"', value: 1 });
  expect(samples).toContainEqual({ name: "filemill_task_seconds_bucket", labels: 'kind="map",le="+Inf"', value: 1 });
  expect(samples).toContainEqual({ name: "filemill_task_seconds_count", labels: 'kind="map"', value: 1 });
  expect(samples).toContainEqual({ name: "filemill_task_seconds_sum", labels: 'kind="map"', value: 0.02 });
  expect(counted.has("filemill_event_streams")).toBe(false);
  expect(counted.has("filemill_upload_bytes_total")).toBe(false);
});

test("it is rendered beside what a process counts itself, each metric described once", async () => {
  const [gone, here] = [createMetrics(), createMetrics()];
  gone.taskEnded({ kind: "map", outcome: "succeeded", seconds: 0.02 });
  gone.uploaded(3);
  here.uploaded(5);
  here.othersAre([
    ...(await gone.counted()),
    { name: "other_total", type: "counter", help: "Of another version.", samples: [{ name: "other_total", labels: "", value: 2 }] },
  ]);
  const text = await here.render();
  expect(text).toContain('filemill_upload_bytes_total 5\nfilemill_upload_bytes_total{worker="once"} 3\n');
  expect(text).toContain('filemill_tasks_total{worker="once",kind="map",outcome="succeeded"} 1');
  expect(text).toContain('other_total{worker="once"} 2');
  const described = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  expect(new Set(described).size).toBe(described.length);
});

test("labels with quotes, backslashes and line breaks stay one line", async () => {
  const metrics = createMetrics();
  metrics.leaseLost('a "b"\\\nc');
  const counted = (await metrics.counted()).filter(({ name }) => name === "filemill_leases_lost_total");
  expect(countedText(counted, 'worker="once"')).toContain('{worker="once",reason="a \\"b\\"\\\\\\nc"} 1\n');
});
