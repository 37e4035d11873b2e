import { createHash } from "node:crypto";
import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startWebServer, type WebServer } from "../../../test/collect/web-server.ts";
import { parseTarget } from "../../config-fetch.ts";
import { SourceError } from "../../jobs/sources/source.ts";
import type { WebRequest } from "../../jobs/sources/web.ts";
import { openDialer, type Dialer } from "../../net/dialer.ts";
import { fetchToFile } from "./fetch-to-file.ts";

const PDF = Buffer.from("%PDF-1.7\n1 0 obj\n<<>>\nendobj\n");

let web: WebServer;
let folder: string;
let dialer: Dialer;
/** What the server does, by path; told how often it was asked for it before. */
const answers: Record<string, (response: ServerResponse, asked: number, request: IncomingMessage) => unknown> = {
  "/right": (response) => response.writeHead(200, { "content-type": "text/html" }).end(PDF),
  "/third": (response, asked) => (asked < 2 ? response.writeHead(503).end("busy") : response.end(PDF)),
  "/wait": (response, asked) => (asked < 1 ? response.writeHead(429, { "retry-after": "1" }).end() : response.end(PDF)),
  "/later": (response) => response.writeHead(503, { "retry-after": "3600" }).end(),
  "/missing": (response) => response.writeHead(404).end("<h1>not here</h1>"),
  "/cut": (response) => {
    response.writeHead(200, { "content-length": 1_000 }).write(PDF);
    setImmediate(() => response.destroy());
  },
  "/longer": (response) => {
    response.socket?.end(`HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\n${PDF.toString()}`);
  },
  "/garbage": (response) => response.socket?.end("HTTP/1.1 banana\r\n\r\n"),
  "/endless": (response) => {
    const more = (): void => void (response.destroyed || response.write(Buffer.alloc(64 * 1024), more));
    more();
  },
  "/drip": (response) => {
    response.writeHead(200).write("%PDF");
    const timer = setInterval(() => response.write("."), 20);
    response.once("close", () => clearInterval(timer));
  },
  "/inward": (response) => response.writeHead(302, { location: "http://169.254.169.254/latest/meta-data" }).end(),
  "/packed": (response) => response.writeHead(200, { "content-encoding": "gzip" }).end("packed"),
  "/get": (response) => response.end(PDF),
  "/who": (response, _asked, request) => response.end(JSON.stringify(request.headers)),
  "/away": (response) => response.writeHead(302, { location: `${web.url.replace("127.0.0.1", "localhost")}/who` }).end(),
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-fetch-"));
  const asked = new Map<string, number>();
  web = await startWebServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://web");
    const before = asked.get(request.url ?? "") ?? 0;
    asked.set(request.url ?? "", before + 1);
    answers[pathname]?.(response, before, request);
  });
  const allow = [parseTarget("127.0.0.1:*"), parseTarget("localhost:*")];
  dialer = openDialer({ ports: [80, 443], allow }, { times: { stallMs: 300, headersMs: 300 } });
});
afterAll(async () => {
  await dialer.close();
  await web.close();
  await rm(folder, { recursive: true, force: true });
});

let counted = 0;
beforeEach(() => {
  counted = 0;
  web.asked.length = 0;
});

function ask(path: string, more: Partial<WebRequest> = {}) {
  const request: WebRequest = {
    ...{ url: `${web.url}${path}`, headers: {}, path: join(folder, "file"), maxBytes: 100_000, tryMs: 5_000, tries: 3 },
    onBytes: (bytes) => void (counted += bytes),
    signal: new AbortController().signal,
    ...more,
  };
  return fetchToFile({ dialer, inTurn: (work) => work(), firstPauseMs: 10 }, request);
}

async function failure(asked: Promise<unknown>): Promise<SourceError> {
  const error: unknown = await asked.then(
    () => new Error("it succeeded"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof SourceError)) throw error;
  await expect(access(join(folder, "file")), "nothing is left").rejects.toThrow("ENOENT");
  expect(counted, "no bytes count").toBe(0);
  return error;
}

test("what came is told by its content, not by what the server calls it, and gets a name with an extension", async () => {
  expect(await ask("/right?id=7")).toEqual({ name: "right.pdf", sizeBytes: PDF.length, mediaType: "application/pdf" });
  expect(await readFile(join(folder, "file"))).toEqual(PDF);
  expect(counted).toBe(PDF.length);
  expect(await ask("/right", { name: "../../etc/Report of 2020" })).toMatchObject({ name: "Report of 2020.pdf" });
});

describe("what may pass is tried again", () => {
  test("a server that fails twice", async () => {
    expect(await ask("/third")).toMatchObject({ mediaType: "application/pdf" });
    expect(web.asked).toHaveLength(3);
    expect(counted).toBe(PDF.length);
  });

  test("one that asks for a pause gets it", async () => {
    const started = performance.now();
    expect(await ask("/wait")).toMatchObject({ sizeBytes: PDF.length });
    expect(performance.now() - started).toBeGreaterThan(950);
  });

  test("one that wants to be left alone for an hour is, by this attempt", async () => {
    expect(await failure(ask("/later"))).toMatchObject({ code: "source_unavailable", failureClass: "external" });
    expect(web.asked).toHaveLength(1);
  });

  test.each(["/cut", "/garbage"])("%s: an answer that breaks off or is none costs an attempt in the end", async (path) => {
    const error = await failure(ask(path));
    expect(error).toMatchObject({ code: "source_unavailable", failureClass: "external" });
    expect(error.message).toMatch(/\(3 tries\)$/);
    expect(web.asked).toHaveLength(3);
  });

  test("a server that sends a byte now and then is given up after the time for a try", async () => {
    const error = await failure(ask("/drip", { tryMs: 200, tries: 2 }));
    expect(error).toMatchObject({ code: "timeout", failureClass: "timeout" });
    expect(web.asked).toHaveLength(2);
  });

  test("other bytes than were expected, which a proxy may have sent", async () => {
    const right = { sizeBytes: PDF.length, sha256: createHash("sha256").update(PDF).digest() };
    expect(await ask("/right", right)).toMatchObject({ sizeBytes: PDF.length });
    web.asked.length = counted = 0;
    expect(await failure(ask("/right", { sizeBytes: 5 }))).toMatchObject({ code: "corrupt", failureClass: "external" });
    expect(await failure(ask("/right", { sha256: Buffer.alloc(32) }))).toMatchObject({ code: "corrupt", failureClass: "external" });
    expect(web.asked).toHaveLength(6);
  });

  test("a body that goes on behind its length is what the length says, which a digest notices", async () => {
    expect(await ask("/longer")).toMatchObject({ sizeBytes: 5 });
    counted = 0;
    expect(await failure(ask("/longer", { sizeBytes: PDF.length, tries: 1 }))).toMatchObject({ code: "corrupt" });
  });
});

describe("what can't change is not asked for again", () => {
  test.each([
    ["/missing", "source_missing"],
    ["/inward", "source_refused"],
    ["/packed", "source_refused"],
    ["/endless", "limit_exceeded"],
  ])("%s is %s", async (path, code) => {
    expect(await failure(ask(path))).toMatchObject({ code, failureClass: "bad_input" });
    expect(web.asked).toHaveLength(1);
  });

  test.each(["file:///etc/passwd", "http://169.254.169.254/", "http://[::1]/", "http://user@127.0.0.1/", "gopher://x", "no url"])(
    "%s is refused without a connection",
    async (url) => {
      expect(await failure(ask("", { url }))).toMatchObject({ code: "source_refused", failureClass: "bad_input" });
    },
  );
});

test("headers are sent, and authorization goes to no other host", async () => {
  await ask("/who", { headers: { authorization: "Bearer secret", accept: "application/pdf" } });
  expect(JSON.parse(await readFile(join(folder, "file"), "utf8"))).toMatchObject({
    authorization: "Bearer secret",
    accept: "application/pdf",
  });
  await ask("/away", { headers: { authorization: "Bearer secret", accept: "application/pdf" } });
  const elsewhere: unknown = JSON.parse(await readFile(join(folder, "file"), "utf8"));
  expect(elsewhere).toMatchObject({ host: expect.stringContaining("localhost"), accept: "application/pdf" });
  expect(elsewhere).not.toHaveProperty("authorization");
});

test("a caller that gives up ends the request, also in a pause", async () => {
  const stop = new AbortController();
  const asked = ask("/drip", { signal: stop.signal });
  await expect.poll(() => counted).toBeGreaterThan(0);
  stop.abort("drain");
  await expect(asked).rejects.toBe("drain");
  expect(counted).toBe(0);
  const paused = new AbortController();
  const waiting = ask("/wait?again", { signal: paused.signal });
  await expect.poll(() => web.asked.length).toBe(2);
  paused.abort("taken");
  await expect(waiting).rejects.toBe("taken");
});
