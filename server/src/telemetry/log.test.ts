import { expect, test } from "vitest";
import { newKeyText } from "../tenants/key-format.ts";
import { openLog } from "./log.ts";

function logLines(work: (log: ReturnType<typeof openLog>) => void, level: "info" | "warn" = "info"): string[] {
  const lines: string[] = [];
  work(openLog({ level, process: "api", destination: { write: (line: string) => void lines.push(line) } }));
  return lines;
}

test("an entry is one line of JSON with its level as a word and a time that can be read", () => {
  const [line] = logLines((log) => log.info({ job: "job_1" }, "planned"));
  expect(JSON.parse(line ?? "")).toMatchObject({
    level: "info",
    process: "api",
    job: "job_1",
    msg: "planned",
    time: expect.stringMatching(/^\d{4}-.*Z$/),
  });
});

test("entries below the level are not written", () => {
  expect(logLines((log) => log.info("quiet"), "warn")).toEqual([]);
});

test("no API key and no password of a URL gets out, wherever it stands", () => {
  const key = newKeyText();
  const secret = key.slice(key.lastIndexOf("_") + 1);
  const text = logLines((log) => {
    log.info({ headers: { authorization: `Bearer ${key}` }, err: new Error(`refused ${key}`) }, `key ${key}`);
    log.child({ key }).info({ url: "postgres://filemill:hunter2@db:5432/mill" }, "connecting to postgres://u:hunter2@h");
  }).join("");
  expect(text).not.toContain(secret);
  expect(text).not.toContain("hunter2");
  expect(text).toContain(key.slice(0, key.lastIndexOf("_") + 1));
  expect(text).toContain("@db:5432/mill");
});
