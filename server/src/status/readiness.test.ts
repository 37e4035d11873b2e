import { expect, test } from "vitest";
import { createReadiness } from "./readiness.ts";

test("a check that hangs is red after two seconds, beside one that works", async () => {
  const readiness = createReadiness({ database: () => new Promise(() => undefined), store: async () => "writable" });
  const started = performance.now();
  const answer = await readiness();
  expect(performance.now() - started).toBeLessThan(3_000);
  expect(answer).toEqual({
    ready: false,
    checks: { database: { ok: false, detail: "no answer within 2 s" }, store: { ok: true, detail: "writable" } },
  });
});

test("many who ask at once are one check", async () => {
  let checks = 0;
  const readiness = createReadiness({ database: async () => String(++checks) });
  await Promise.all(Array.from({ length: 50 }, () => readiness()));
  expect(checks).toBe(1);
});

test("what failed is named by its code alone: messages hold addresses", async () => {
  const readiness = createReadiness({
    database: () => Promise.reject(Object.assign(new Error("connect 10.0.0.7:5432"), { code: "ECONNREFUSED" })),
  });
  expect((await readiness()).checks["database"]).toEqual({ ok: false, detail: "failed (ECONNREFUSED)" });
});
