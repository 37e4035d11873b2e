import { afterEach, expect, test } from "vitest";
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
  metrics.laneIs("default", { ready: 7, running: 2 });
  metrics.hostsAre("spare", 1);
  metrics.leasesLost(3);
  server = await serveMetrics(metrics, 0);
  const answer = await fetch(`http://127.0.0.1:${server.port}/metrics`);
  const text = await answer.text();
  expect(answer.headers.get("content-type")).toContain("text/plain");
  expect(text).toContain('filemill_tasks_total{kind="map",outcome="succeeded"} 1');
  expect(text).toContain('filemill_task_seconds_count{kind="map"} 2');
  expect(text).toContain('filemill_pickup_seconds_bucket{le="0.005"} 1');
  expect(text).toContain('filemill_lane_ready{lane="default"} 7');
  expect(text).toContain('filemill_hosts{state="spare"} 1');
  expect(text).toContain("filemill_leases_lost_total 3");
});

test("two sets of metrics in one process don't mix", async () => {
  const [one, other] = [createMetrics(), createMetrics()];
  one.uploaded(5);
  expect(await one.render()).toContain("filemill_upload_bytes_total 5");
  expect(await other.render()).toContain("filemill_upload_bytes_total 0");
});

test("a port that is taken rejects", async () => {
  server = await serveMetrics(createMetrics(), 0);
  await expect(serveMetrics(createMetrics(), server.port)).rejects.toMatchObject({ code: "EADDRINUSE" });
});
