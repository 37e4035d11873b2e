import { afterEach, expect, test } from "vitest";
import { mergeMetrics } from "./merge-metrics.ts";
import { createMetrics } from "./metrics.ts";
import { serveMetrics, type MetricsServer } from "./serve-metrics.ts";

let server: MetricsServer | undefined;

afterEach(async () => {
  await server?.close();
  server = undefined;
});

test("what the engine tells is what Prometheus reads", async () => {
  const metrics = createMetrics();
  metrics.taskEnded({ kind: "map", outcome: "succeeded", seconds: 0.2 });
  metrics.taskEnded({ kind: "map", outcome: "dead", seconds: 0.1 });
  metrics.pickedUp(0.004);
  metrics.lanesAre([{ lane: "heavy", ready: 1, running: 0 }]);
  metrics.lanesAre([{ lane: "default", ready: 7, running: 2 }]);
  metrics.beforeRender(() => metrics.hostsAre({ spare: 1, idle: 0, busy: 2 }));
  metrics.beforeRender(() => Promise.reject(new Error("a look that fails takes nothing with it")));
  metrics.leaseLost("taken");
  server = await serveMetrics(metrics, 0);
  const answer = await fetch(`http://127.0.0.1:${server.port}/metrics`);
  const text = await answer.text();
  expect(answer.headers.get("content-type")).toContain("text/plain");
  expect(text).toContain('filemill_tasks_total{kind="map",outcome="succeeded"} 1');
  expect(text).toContain('filemill_task_seconds_count{kind="map"} 2');
  expect(text).toContain('filemill_pickup_seconds_bucket{le="0.005"} 1');
  expect(text).toContain('filemill_lane_ready{lane="default"} 7');
  expect(text).not.toContain('lane="heavy"');
  expect(text).toContain('filemill_hosts{state="spare"} 1');
  expect(text).toContain('filemill_leases_lost_total{reason="taken"} 1');
});

test("two sets of metrics in one process don't mix", async () => {
  const [one, other] = [createMetrics(), createMetrics()];
  one.uploaded(5);
  expect(await one.render()).toContain("filemill_upload_bytes_total 5");
  expect(await other.render()).toContain("filemill_upload_bytes_total 0");
});

test("several processes are one text, told apart by a label, with each metric described once", async () => {
  const [one, other] = [createMetrics(), createMetrics()];
  one.uploaded(5);
  other.uploaded(7);
  other.taskEnded({ kind: "map", outcome: "succeeded", seconds: 1 });
  const text = mergeMetrics([await one.render({ worker: "1" }), "", await other.render({ worker: "2" })]);
  expect(text.match(/# TYPE filemill_upload_bytes_total counter\n(?:filemill_upload_bytes_total.*\n)+/)?.[0]).toBe(
    '# TYPE filemill_upload_bytes_total counter\nfilemill_upload_bytes_total{worker="1"} 5\nfilemill_upload_bytes_total{worker="2"} 7\n',
  );
  expect(text.match(/# TYPE filemill_tasks_total/g)).toHaveLength(1);
  expect(text).toContain('filemill_tasks_total{kind="map",outcome="succeeded",worker="2"} 1');
});

test("a port that is taken rejects", async () => {
  server = await serveMetrics(createMetrics(), 0);
  await expect(serveMetrics(createMetrics(), server.port)).rejects.toMatchObject({ code: "EADDRINUSE" });
});
