import { expect, test } from "vitest";
import { createShutdown } from "./shutdown.ts";

test("what was started last is stopped first, one after the other, once", async () => {
  const order: string[] = [];
  const shutdown = createShutdown();
  for (const name of ["database", "store", "server"]) {
    shutdown.add(name, async () => {
      order.push(`${name} stops`);
      await Promise.resolve();
      order.push(`${name} stopped`);
    });
  }
  expect(await Promise.all([shutdown.run(1_000), shutdown.run(1_000)])).toEqual([[], []]);
  expect(order).toEqual(["server stops", "server stopped", "store stops", "store stopped", "database stops", "database stopped"]);
});

test("what fails or hangs is named and does not keep the rest alive", async () => {
  const stopped: string[] = [];
  const shutdown = createShutdown();
  shutdown.add("first", () => void stopped.push("first"));
  shutdown.add("hangs", () => new Promise<void>(() => undefined));
  shutdown.add("throws", () => {
    throw new Error("no such thing");
  });
  const started = performance.now();
  expect(await shutdown.run(150)).toEqual(["throws: no such thing", expect.stringMatching(/^hangs: not done within \d+ ms$/)]);
  expect(performance.now() - started).toBeLessThan(1_000);
  expect(stopped).toEqual(["first"]);
});

test("what starts while everything stops is stopped too", async () => {
  const stopped: string[] = [];
  const shutdown = createShutdown();
  shutdown.add("first", () => {
    shutdown.add("late", () => void stopped.push("late"));
    stopped.push("first");
  });
  await shutdown.run(1_000);
  expect(stopped).toEqual(["first", "late"]);
});
