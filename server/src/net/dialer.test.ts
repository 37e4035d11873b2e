import { once } from "node:events";
import type { RequestListener, ServerResponse } from "node:http";
import { createServer } from "node:net";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startDnsServer } from "../../test/net/dns-server.ts";
import { startOrigin, type Origin } from "../../test/net/origin.ts";
import { parseTarget } from "../config-fetch.ts";
import { openDialer, type Dialer, type DialerTimes, type FetchRequest } from "./dialer.ts";
import { FetchError } from "./fetch-error.ts";
import { openResolve } from "./resolve.ts";

const CONFIG = { ports: [80], allow: [parseTarget("127.0.0.0/8:*")] };
const QUICK: DialerTimes = { connectMs: 300, headersMs: 300, stallMs: 300, totalMs: 1_500 };

let origin: Origin;
let dialer: Dialer;
let listener: RequestListener;
let url: string;

beforeEach(async () => {
  origin = await startOrigin((request, response) => listener(request, response));
  url = `http://127.0.0.1:${origin.port}`;
  dialer = openDialer(CONFIG, { times: QUICK });
});

afterEach(async () => {
  await dialer.close();
  await origin.close();
});

/** The status and the whole body, or the code of the error, whether it came with the headers or in the body. */
async function outcome(request: Omit<FetchRequest, "maxBytes"> & { maxBytes?: number }): Promise<unknown> {
  try {
    const fetched = await dialer.fetch({ maxBytes: 1_000_000, ...request });
    return { status: fetched.status, body: (await buffer(fetched.body)).toString() };
  } catch (error) {
    return error instanceof FetchError ? error.code : error;
  }
}

test("an answer comes as a stream, with its status, headers and final URL", async () => {
  listener = (request, response) => {
    if (request.url === "/a") response.writeHead(301, { location: "/b?c" }).end();
    else response.writeHead(404, { etag: '"1"' }).end(`${request.method} ${request.url} ${request.headers["accept-encoding"]}`);
  };
  const fetched = await dialer.fetch({ url: `${url}/a`, maxBytes: 100 });
  expect(fetched).toMatchObject({ status: 404, headers: { etag: '"1"' } });
  expect(fetched.url.href).toBe(`${url}/b?c`);
  expect((await buffer(fetched.body)).toString()).toBe("GET /b?c identity");
});

test("a POST sends its body and follows nothing", async () => {
  listener = (request, response) => {
    void buffer(request).then((sent) => response.writeHead(307, { location: "http://127.0.0.1:1/" }).end(sent));
  };
  expect(await outcome({ url, method: "POST", body: Buffer.from("hello"), headers: { "content-type": "text/plain" } })).toEqual({
    status: 307,
    body: "hello",
  });
});

describe("redirects", () => {
  const counting: RequestListener = (request, response) => {
    const left = Number(new URL(request.url ?? "", "http://x").searchParams.get("n"));
    if (left === 0) response.end("there");
    else response.writeHead(302, { location: `/?n=${left - 1}` }).end("x".repeat(100_000));
  };

  test.each([
    [5, 5, { status: 200, body: "there" }],
    [6, 5, "bad_redirect"],
    [1, 0, { status: 302, body: "x".repeat(100_000) }],
  ])("%i, where %i are followed", async (times, maxRedirects, expected) => {
    listener = counting;
    expect(await outcome({ url: `${url}/?n=${times}`, maxRedirects })).toEqual(expected);
  });

  test("credentials stay with the host that they are for", async () => {
    const seen: unknown[] = [];
    const other = await startOrigin((request, response) => {
      seen.push([request.headers.authorization, request.headers.cookie, request.headers["x-mine"]]);
      response.end();
    });
    listener = (request, response) => {
      seen.push([request.headers.authorization, request.headers.cookie, request.headers["x-mine"]]);
      response.writeHead(302, { location: request.url === "/" ? "/same" : `http://127.0.0.1:${other.port}/` }).end();
    };
    await outcome({ url, headers: { Authorization: "Bearer a", cookie: "b", "x-mine": "c" } });
    await other.close();
    expect(seen).toEqual([
      ["Bearer a", "b", "c"],
      ["Bearer a", "b", "c"],
      [undefined, undefined, "c"],
    ]);
  });

  test.each(["http://", "http://[::1", "http://a b/"])("to %j lead nowhere", async (location) => {
    listener = (_request, response) => response.writeHead(302, { location }).end();
    expect(await outcome({ url })).toBe("bad_redirect");
  });
});

describe("no more bytes than asked for", () => {
  test("whatever Content-Length says, or where it says nothing", async () => {
    listener = (_request, response) => response.end("x".repeat(1_001));
    expect(await outcome({ url, maxBytes: 1_001 })).toEqual({ status: 200, body: "x".repeat(1_001) });
    expect(await outcome({ url, maxBytes: 1_000 })).toBe("too_large");
    listener = (_request, response) => {
      response.write("x".repeat(600));
      response.end("x".repeat(401));
    };
    expect(await outcome({ url, maxBytes: 1_000 })).toBe("too_large");
  });

  test("and an endless answer is stopped, not read", async () => {
    let sent = 0;
    let closed: Promise<unknown> | undefined;
    listener = (_request, response) => {
      closed = once(response, "close");
      const send = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536))) sent += 65_536;
        response.once("drain", send);
      };
      send();
    };
    expect(await outcome({ url, maxBytes: 100_000 })).toBe("too_large");
    await closed;
    expect(sent).toBeLessThan(50_000_000);
  });
});

describe("time", () => {
  test("a server that says nothing", async () => {
    listener = () => {};
    expect(await outcome({ url })).toBe("timeout");
  });

  test("a server that stops in the middle", async () => {
    listener = (_request, response) => void response.write("half");
    expect(await outcome({ url })).toBe("timeout");
  });

  test("a server that sends a byte now and then", async () => {
    listener = drip;
    expect(await outcome({ url })).toBe("timeout");
  });

  test("a DNS server that never answers", async () => {
    const silent = await startDnsServer(() => undefined);
    await dialer.close();
    dialer = openDialer(CONFIG, { times: QUICK, resolve: openResolve([silent.address]) });
    expect(await outcome({ url: "http://slow.test/" })).toBe("timeout");
    silent.close();
  });

  test("the caller's signal ends it with the caller's reason, before the headers and after", async () => {
    const reason = new Error("given up");
    const aborted = AbortSignal.abort(reason);
    expect(await outcome({ url, signal: aborted })).toBe(reason);
    const controller = new AbortController();
    listener = () => controller.abort(reason);
    expect(await outcome({ url, signal: controller.signal })).toBe(reason);
    const later = new AbortController();
    listener = (_request, response) => void response.write("half");
    const fetched = await dialer.fetch({ url, maxBytes: 100, signal: later.signal });
    fetched.body.once("data", () => later.abort(reason));
    await expect(buffer(fetched.body)).rejects.toBe(reason);
  });
});

function drip(_request: unknown, response: ServerResponse): void {
  const timer = setInterval(() => response.write("."), 100);
  response.once("close", () => clearInterval(timer));
}

describe("a connection that ends too early", () => {
  test("before Content-Length is reached, or inside a chunk", async () => {
    listener = (_request, response) => {
      response.writeHead(200, { "content-length": "10" });
      response.write("12345", () => response.socket?.destroy());
    };
    expect(await outcome({ url })).toBe("unreachable");
    listener = (_request, response) => void response.write("12345", () => response.socket?.destroy());
    expect(await outcome({ url })).toBe("unreachable");
  });

  test("or was never there", async () => {
    const free = await startOrigin(() => {});
    await free.close();
    expect(await outcome({ url: `http://127.0.0.1:${free.port}/` })).toBe("unreachable");
  });

  test.each([
    ["no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n"],
    ["headers without end", `HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(10_000)}`],
    ["both lengths", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc"],
    ["a bad chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"],
  ])("or speaks %s", async (_what, bytes) => {
    const server = createServer((socket) => socket.on("error", () => {}).end(bytes)).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    expect(await outcome({ url: `http://127.0.0.1:${port}/` })).toBe("unreachable");
    server.close();
  });
});
