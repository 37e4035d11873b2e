import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { connect } from "./client.ts";
import { FilemillError } from "./error.ts";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
const closers: (() => Promise<void>)[] = [];

async function serve(handler: Handler): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function answer(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

test("a POST that is answered 503 is sent again with the same Idempotency-Key", async () => {
  const keys: (string | undefined)[] = [];
  const url = await serve((request, response) => {
    keys.push(request.headers["idempotency-key"] as string | undefined);
    if (keys.length < 3) answer(response, 503, { code: "unavailable", title: "later" }, { "retry-after": "0" });
    else answer(response, 202, { job_id: "job_1", status: "queued", estimated_completion: null, files: [] });
  });
  const accepted = await connect({ url, key: "k" }).jobs.submit({ pipeline: "p", inputs: ["file_1"] });
  expect(accepted.job_id).toBe("job_1");
  expect(keys).toHaveLength(3);
  expect(keys[0]).toBeTruthy();
  expect(new Set(keys).size).toBe(1);
});

test("a connection that breaks in the middle: an upload is sent again whole, under the same key", async () => {
  const seen: { key: string | undefined; body: string }[] = [];
  const url = await serve(async (request, response) => {
    let body = "";
    if (seen.length > 0) for await (const chunk of request) body += String(chunk);
    seen.push({ key: request.headers["idempotency-key"] as string | undefined, body });
    if (seen.length === 1) request.socket.destroy();
    else answer(response, 201, { files: [{ id: "file_1" }] });
  });
  expect(await connect({ url, key: "k" }).files.put({ name: "a.txt", content: new Blob(["content"]) })).toEqual({ id: "file_1" });
  expect(seen.map(({ body }) => body)).toEqual(["", "content"]);
  expect(seen[0]?.key).toBeTruthy();
  expect(seen[1]?.key).toBe(seen[0]?.key);
});

test("Retry-After is waited for", async () => {
  const times: number[] = [];
  const url = await serve((_request, response) => {
    times.push(performance.now());
    if (times.length === 1) answer(response, 429, { code: "rate_limited", title: "slow down" }, { "retry-after": "1" });
    else answer(response, 200, { data: [], next_cursor: null });
  });
  await connect({ url }).files.list().page();
  expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(990);
});

test("a refusal carries code, status, detail and issues, and is not repeated", async () => {
  let calls = 0;
  const issues = [{ pointer: "/steps/a/use", message: "no such processor", suggestion: "image.resize" }];
  const url = await serve((_request, response) => {
    calls += 1;
    answer(response, 400, { type: "about:blank", title: "Bad", status: 400, code: "validation_failed", detail: "Look at issues.", issues });
  });
  const error = await connect({ url })
    .pipelines.put("p", { steps: {} })
    .catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(FilemillError);
  expect(error).toMatchObject({ code: "validation_failed", status: 400, detail: "Look at issues.", issues });
  expect(calls).toBe(1);
});

test("an answer that is not ours says so", async () => {
  const url = await serve((_request, response) => void response.writeHead(404, { "content-type": "text/html" }).end("<h1>nginx</h1>"));
  await expect(connect({ url }).jobs.get("job_1")).rejects.toMatchObject({ code: "bad_answer", status: 404 });
});

test("nobody there: unreachable names the address and the reason", async () => {
  const url = await serve(() => undefined);
  await closers.splice(0)[0]?.();
  await expect(connect({ url, retries: 0 }).jobs.get("job_1")).rejects.toMatchObject({
    code: "unreachable",
    detail: expect.stringContaining("ECONNREFUSED"),
  });
});

test("a list walks over its cursors and passes its conditions on", async () => {
  const queries: string[] = [];
  const url = await serve((request, response) => {
    const query = new URL(request.url ?? "", "http://x").searchParams;
    queries.push(query.toString());
    const next = query.get("cursor") === null ? "c2" : null;
    answer(response, 200, { data: [{ id: query.get("cursor") ?? "first" }], next_cursor: next });
  });
  const ids: string[] = [];
  for await (const file of connect({ url }).files.list({ limit: 1, metadata: { customer: "7" } })) ids.push(file.id);
  expect(ids).toEqual(["first", "c2"]);
  expect(queries).toEqual(["limit=1&metadata.customer=7", "limit=1&cursor=c2&metadata.customer=7"]);
});
