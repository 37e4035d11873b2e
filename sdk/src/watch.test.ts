import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connect } from "./client.ts";
import { readEventStream } from "./event-stream.ts";

let server: Server;

beforeEach(async () => {
  server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const client = () => connect({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, retries: 0 });

function send(response: ServerResponse, type: string, id?: string) {
  const data = JSON.stringify({ type, at: "2026-01-01T00:00:00Z", job_id: "job_1", data: {} });
  response.write(`${id === undefined ? "" : `id: ${id}\n`}event: ${type}\ndata: ${data}\n\n`);
}

test("a broken watch is taken up behind the last event that had an id, and ends with the job", async () => {
  const positions: (string | undefined)[] = [];
  server.on("request", (request, response) => {
    positions.push(request.headers["last-event-id"] as string | undefined);
    response.writeHead(200, { "content-type": "text/event-stream" });
    if (positions.length === 1) {
      send(response, "job.running", "7");
      send(response, "job.progress");
      setImmediate(() => response.destroy());
    } else {
      response.write(": ping\n\n");
      send(response, "job.completed", "9");
    }
  });
  const types: string[] = [];
  for await (const event of client().jobs.watch("job_1")) types.push(event.type);
  expect(types).toEqual(["job.running", "job.progress", "job.completed"]);
  expect(positions).toEqual([undefined, "7"]);
});

test("a watch of a job that is not there rejects at once", async () => {
  let calls = 0;
  server.on("request", (_request, response) => {
    calls += 1;
    response.writeHead(404).end(JSON.stringify({ code: "not_found", title: "Not found" }));
  });
  const walk = async () => {
    for await (const _event of client().jobs.watch("job_x"));
  };
  await expect(walk()).rejects.toMatchObject({ code: "not_found" });
  expect(calls).toBe(1);
});

test("messages are read however the bytes are cut", async () => {
  const bytes = new TextEncoder().encode("id: 1\r\nevent: ä\r\ndata: a\r\ndata:b\r\n\r\n: ping\n\ndata: last\n\ndata: unfinished");
  for (const size of [1, 2, 3, 7, bytes.length]) {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let start = 0; start < bytes.length; start += size) controller.enqueue(bytes.slice(start, start + size));
        controller.close();
      },
    });
    const messages = [];
    for await (const message of readEventStream(body)) messages.push(message);
    expect(messages).toEqual([
      { id: "1", event: "ä", data: "a\nb" },
      { id: undefined, event: "message", data: "last" },
    ]);
  }
});
