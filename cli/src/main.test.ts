import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { main } from "./main.ts";

let server: Server;
let folder: string;
const answers = new Map<string, { status: number; body: unknown }>();
const keys: (string | undefined)[] = [];
const asked: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-cli-"));
  answers.clear();
  keys.length = 0;
  asked.length = 0;
  server = createServer((request, response) => {
    keys.push(request.headers.authorization);
    asked.push(`${request.method} ${request.url}`);
    const known = answers.get(`${request.method} ${request.url?.split("?")[0]}`);
    const answer = known ?? { status: 404, body: { code: "not_found", title: "Not found", detail: `There is no "${request.url}".` } };
    response.writeHead(answer.status, { "content-type": "application/json" }).end(JSON.stringify(answer.body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

async function filemill(words: string[], environment: Record<string, string> = {}) {
  const written = { stdout: "", stderr: "" };
  const into = (name: "stdout" | "stderr") =>
    new Writable({
      write(chunk, _encoding, done) {
        written[name] += String(chunk);
        done();
      },
    });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const code = await main(
    {
      environment: { FILEMILL_URL: url, FILEMILL_DATA_DIR: folder, ...environment },
      stdout: into("stdout"),
      stderr: into("stderr"),
      signal: new AbortController().signal,
      onSignal: () => () => undefined,
      exitCode: 0,
    },
    words,
  );
  return { code, ...written };
}

test("--json gives one document on stdout and nothing on stderr", async () => {
  answers.set("GET /api/v1/jobs", { status: 200, body: { data: [], next_cursor: null } });
  const { code, stdout, stderr } = await filemill(["jobs", "list", "--json"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(JSON.parse(stdout)).toEqual({ data: [] });
});

test("the key comes from admin.key in the data folder, unless FILEMILL_KEY is set", async () => {
  await writeFile(join(folder, "admin.key"), "fml_from_file\n");
  answers.set("GET /api/v1/files", { status: 200, body: { data: [], next_cursor: null } });
  await filemill(["files", "list"]);
  await filemill(["files", "list"], { FILEMILL_KEY: "fml_from_environment" });
  expect(keys).toEqual(["Bearer fml_from_file", "Bearer fml_from_environment"]);
});

test.each([
  ["not found", ["jobs", "show", "job_x"], 3, 'There is no "/api/v1/jobs/job_x"'],
  ["wrong usage", ["jobs", "show"], 2, "missing required argument"],
  ["an unknown command", ["jbos"], 2, "unknown command"],
  ["a file that is not there", ["files", "put", "/does/not/exist"], 3, "/does/not/exist: no such file"],
  [
    "a place for results that can't be",
    ["run", "p", import.meta.filename, "--out", "/proc/nope"],
    1,
    "The results can't go to /proc/nope: ",
  ],
  ["a device", ["files", "put", "/dev/null"], 2, "/dev/null: is no regular file"],
  ["a bad parameter", ["run", "p", import.meta.filename, "--with", "nonsense"], 2, "key=value"],
])("%s: exit code and a plain line", async (_title, words, code, line) => {
  const outcome = await filemill(words);
  expect(outcome.code).toBe(code);
  expect(outcome.stderr).toContain(line);
  expect(outcome.stderr).not.toContain("    at ");
  expect(outcome.stdout).toBe("");
});

test("a refused key says where keys come from", async () => {
  answers.set("GET /api/v1/files", { status: 401, body: { code: "unauthenticated", title: "No", detail: "Send a key." } });
  const { code, stderr } = await filemill(["files", "list"]);
  expect(code).toBe(4);
  expect(stderr).toContain("FILEMILL_KEY");
});

test("a pipeline with problems: each with its place, exit code 1", async () => {
  const path = join(folder, "p.json");
  await writeFile(path, "{}");
  const issues = [{ pointer: "/steps/a/use", message: "no such processor", suggestion: "Did you mean image.resize?" }];
  answers.set("POST /api/v1/pipelines/lint", { status: 200, body: { valid: false, issues } });
  const { code, stdout } = await filemill(["pipelines", "lint", path]);
  expect(code).toBe(1);
  expect(stdout).toContain("/steps/a/use: no such processor. Did you mean image.resize?");
});

test("an answer that quotes its first issue shows it once", async () => {
  const path = join(folder, "p.json");
  await writeFile(path, '{"name":"p"}');
  const issues = [{ pointer: "/steps", message: "is missing" }];
  const detail = "The pipeline has mistakes: /steps: is missing.";
  answers.set("PUT /api/v1/pipelines/p", { status: 400, body: { code: "validation_failed", title: "No", detail, issues } });
  const people = await filemill(["pipelines", "put", path]);
  expect(people).toEqual({ code: 2, stdout: "", stderr: "The pipeline has mistakes:\n  /steps: is missing\n" });
  const program = await filemill(["pipelines", "put", path, "--json"]);
  expect(JSON.parse(program.stderr)).toEqual({ code: "validation_failed", detail, issues });
});

test.each([
  [["jobs", "show", "job_x"], 3, "not_found", "There is no"],
  [["jobs", "show"], 2, "wrong_usage", "missing required argument"],
  [["jbos"], 2, "wrong_usage", "unknown"],
  [["files", "put", "/does/not/exist"], 3, "not_found", "/does/not/exist: no such file"],
  [["files", "put", import.meta.filename, "-m", "nonsense"], 2, "wrong_usage", "key=value"],
])("%j --json: the error is one document on stderr", async (words, exitCode, code, detail) => {
  const outcome = await filemill([...words, "--json"]);
  expect(outcome).toMatchObject({ code: exitCode, stdout: "" });
  expect(JSON.parse(outcome.stderr)).toEqual({ code, detail: expect.stringContaining(detail), issues: [] });
});

test("escape sequences in the names of files don't reach the terminal", async () => {
  const file = { id: "file_1", name: "a\u001b[2Jb", size: 1, media_type: "text/plain", created_at: "2026-01-01T00:00:00Z" };
  answers.set("GET /api/v1/files", { status: 200, body: { data: [file], next_cursor: null } });
  const { stdout } = await filemill(["files", "list"]);
  expect(stdout).toContain("a\ufffd[2Jb");
});

test("help names the exit codes", async () => {
  const { code, stdout } = await filemill(["--help"]);
  expect(code).toBe(0);
  expect(stdout).toContain("Exit codes:");
});

test("nothing is sent for a pipeline that is not there, or has mistakes", async () => {
  const missing = await filemill(["run", "nosuch", import.meta.filename, "--out", join(folder, "results")]);
  expect(missing).toMatchObject({ code: 3, stderr: expect.stringContaining("`filemill pipelines list`") });
  expect(asked).toEqual(["GET /api/v1/pipelines/nosuch"]);
  const path = join(folder, "p.json");
  await writeFile(path, "{}");
  const issues = [{ pointer: "/steps", message: "is missing" }];
  answers.set("POST /api/v1/pipelines/lint", { status: 200, body: { valid: false, issues } });
  const broken = await filemill(["run", path, import.meta.filename, "--out", join(folder, "results")]);
  expect(broken).toMatchObject({ code: 2, stderr: "The pipeline has mistakes:\n  /steps: is missing\n" });
  expect(asked.slice(1)).toEqual(["POST /api/v1/pipelines/lint"]);
  expect(await readdir(folder)).toEqual(["p.json"]);
});
