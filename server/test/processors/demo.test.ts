import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { badInput, runProcessor } from "./harness.ts";
import { demoFail } from "./demo-faults.ts";
import { demoConcat, demoCount, demoMany, demoSleep } from "./demo-work.ts";

const text = (name: string, content: string) => ({ name, mediaType: "text/plain", content });

test("demo.concat keeps the order, demo.count counts, demo.many numbers", async () => {
  const inputs = [text("b", "2"), text("a", "1"), text("c", "3")];
  await using joined = await runProcessor(demoConcat, { inputs });
  expect(await joined.only.text()).toBe("213");
  await using counted = await runProcessor(demoCount, { inputs });
  expect(JSON.parse(await counted.only.text())).toEqual({ inputs: 3, bytes: 3 });
  await using many = await runProcessor(demoMany, { with: { count: 3 }, inputs: [text("x", "")] });
  expect(await Promise.all(many.outputs.map((output) => output.text()))).toEqual(["0\n", "1\n", "2\n"]);
});

test("demo.fail takes only the poison, and stops after so many times", async () => {
  await using good = await runProcessor(demoFail, { with: { only: "poison" }, inputs: [text("good", "")] });
  expect(good.only.passed).toBe(0);
  const error = await badInput(runProcessor(demoFail, { with: { only: "poison", code: "malware" }, inputs: [text("poison-1", "")] }));
  expect(error.code).toBe("malware");
  await expect(runProcessor(demoFail, { with: { class: "crashed", match: "boom" }, inputs: [text("x", "a boom")] })).rejects.toThrow(
    "crashes as asked",
  );
  const folder = await mkdtemp(join(tmpdir(), "filemill-demo-"));
  try {
    const twice = { with: { class: "crashed", times: 2, counter: join(folder, "failed") }, inputs: [text("x", "")] };
    await expect(runProcessor(demoFail, twice)).rejects.toThrow("crashes");
    await expect(runProcessor(demoFail, twice)).rejects.toThrow("crashes");
    await using third = await runProcessor(demoFail, twice);
    expect(third.only.passed).toBe(0);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("demo.sleep ends at an abort", async () => {
  const run = runProcessor(demoSleep, { with: { ms: 600_000 }, inputs: [text("x", "")], signal: AbortSignal.timeout(10) });
  await expect(run).rejects.toThrow();
});
