import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { StageRun } from "../../processors/stage-run.ts";
import { acceptProfile } from "./accept-profile.ts";

/** As the host sees the folder that the worker sees as `scratch`. */
const INSIDE = "/scratch/task";

let scratch: string;
let run: StageRun;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "filemill-profile-"));
  writeFileSync(join(scratch, "in-0"), "12345");
  const entry = { from: "", path: join(scratch, "in-0"), name: "a.txt", sizeBytes: 5, mediaType: "text/plain" };
  run = { type: "run", kind: "map", steps: [], entries: [entry], scratch, profile: true };
});
afterEach(() => rmSync(scratch, { recursive: true }));

const told = (path: string, sizeBytes = 5) => ({ path, sizeBytes, wallMs: 1, cpuMs: 1, isCut: false });
const accept = (path: string, sizeBytes = 5, of = run) => acceptProfile(of, told(path, sizeBytes), INSIDE);

test("a file of the told size in the task's folder is taken, under the worker's path", () => {
  writeFileSync(join(scratch, "profile"), "{...}");
  expect(accept(`${INSIDE}/profile`)).toEqual(told(join(scratch, "profile")));
});

test("nobody asked for one, or none was told", () => {
  writeFileSync(join(scratch, "profile"), "{...}");
  const { profile: _profile, ...unasked } = run;
  expect(accept(`${INSIDE}/profile`, 5, unasked)).toBeUndefined();
  expect(acceptProfile(run, undefined, INSIDE)).toBeUndefined();
});

test.each([
  ["a file elsewhere", "/etc/passwd", 5],
  ["a way out", `${INSIDE}/../secret`, 5],
  ["the folder itself", `${INSIDE}/.`, 5],
  ["one that is not there", `${INSIDE}/absent`, 5],
  ["another size than told", `${INSIDE}/profile`, 6],
  ["an input of the task", `${INSIDE}/in-0`, 5],
  ["a link", `${INSIDE}/link`, 5],
  ["a second name", `${INSIDE}/twice`, 5],
  ["a folder", `${INSIDE}/folder`, 5],
])("%s is not taken", (_what, path, sizeBytes) => {
  writeFileSync(join(scratch, "profile"), "{...}");
  symlinkSync("/etc/passwd", join(scratch, "link"));
  writeFileSync(join(scratch, "once"), "{...}");
  linkSync(join(scratch, "once"), join(scratch, "twice"));
  mkdirSync(join(scratch, "folder"));
  expect(accept(path, sizeBytes)).toBeUndefined();
});
