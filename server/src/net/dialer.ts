import type { IncomingHttpHeaders } from "node:http";
import { pipeline, Transform, type Readable } from "node:stream";
import { Agent, buildConnector, errors, request as ask, type Dispatcher } from "undici";
import type { FetchConfig } from "../config-fetch.ts";
import { FetchError } from "./fetch-error.ts";
import { createGuard, type Guard } from "./guard.ts";
import { createGuardedAgents, type GuardedAgents } from "./guarded-agents.ts";
import { nextHop, type Hop } from "./redirect.ts";
import type { Resolve } from "./resolve.ts";

/** The one way out for requests to places that somebody else named: collection of files, webhooks. */
export interface Dialer {
  /** Resolves when the headers are there, whatever the status. Rejects with FetchError, or with the signal's reason. */
  fetch(request: FetchRequest): Promise<Fetched>;
  readonly agents: GuardedAgents;
  /** Ends what is under way. */
  close(): Promise<void>;
}

export interface FetchRequest {
  readonly url: string | URL;
  readonly method?: "GET" | "HEAD" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** Of the answer's body, counted as it arrives. */
  readonly maxBytes: number;
  /** 0: an answer that leads elsewhere is the answer. A POST never follows. */
  readonly maxRedirects?: number;
  readonly signal?: AbortSignal;
}

export interface Fetched {
  /** Where the last redirect led. */
  readonly url: URL;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /**
   * Must be read to its end or destroyed. Fails with FetchError `too_large`, `timeout` or `unreachable` (cut short). Its
   * bytes are as they were sent: Content-Encoding is asked not to be used, and is not undone where it is.
   */
  readonly body: Readable;
}

export interface DialerTimes {
  /** To resolve, connect and agree on TLS. */
  readonly connectMs: number;
  /** From the request to the answer's headers. */
  readonly headersMs: number;
  /** Between two pieces of the body. */
  readonly stallMs: number;
  /** For everything, with redirects and body: a server that sends a byte now and then never stalls. */
  readonly totalMs: number;
}

const TIMES: DialerTimes = { connectMs: 10_000, headersMs: 30_000, stallMs: 30_000, totalMs: 3_600_000 };
const MAX_REDIRECTS = 5;
const MAX_HEADER_BYTES = 16 * 1024;
/** How long a connection is kept for the next request. */
const IDLE_MS = 4_000;

export function openDialer(config: FetchConfig, given: { times?: Partial<DialerTimes>; resolve?: Resolve } = {}): Dialer {
  const times = { ...TIMES, ...given.times };
  const guard = createGuard(config, given.resolve);
  const agent = new Agent({
    connect: guardedConnector(guard, times.connectMs),
    headersTimeout: times.headersMs,
    bodyTimeout: times.stallMs,
    maxHeaderSize: MAX_HEADER_BYTES,
    keepAliveTimeout: IDLE_MS,
    keepAliveMaxTimeout: IDLE_MS,
    pipelining: 1,
  });
  const agents = createGuardedAgents(guard, { keepAlive: true, timeout: times.stallMs });

  return {
    agents,
    async fetch(request) {
      const time = limitedTime(times.totalMs, request.signal);
      try {
        const answer = await follow(request, { agent, guard, signal: time.signal });
        const body = takeAtMost(answer, { maxBytes: request.maxBytes, hasBody: request.method !== "HEAD", signal: request.signal });
        body.once("close", time.end);
        return { url: answer.url, status: answer.statusCode, headers: answer.headers, body };
      } catch (error) {
        time.end();
        throw toFetchError(error, request.signal);
      }
    },
    async close() {
      agents.httpAgent.destroy();
      agents.httpsAgent.destroy();
      await agent.destroy();
    },
  };
}

/** Connects to addresses that the guard has judged, and to nothing else. */
function guardedConnector(guard: Guard, connectMs: number): buildConnector.connector {
  return (options, done) => {
    const port = options.port === "" ? (options.protocol === "https:" ? 443 : 80) : Number(options.port);
    const target = { host: options.hostname.replace(/^\[|\]$/g, ""), port };
    try {
      guard.checkTarget(target);
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)), null);
      return;
    }
    buildConnector({ timeout: connectMs, maxCachedSessions: 0, port, lookup: guard.lookupFor(target) })(options, done);
  };
}

type Answer = Dispatcher.ResponseData & { readonly url: URL };

interface Way {
  readonly agent: Agent;
  readonly guard: Guard;
  readonly signal: AbortSignal;
}

async function follow(request: FetchRequest, { agent, guard, signal }: Way): Promise<Answer> {
  const maxRedirects = request.method === "POST" ? 0 : (request.maxRedirects ?? MAX_REDIRECTS);
  let hop: Hop = { url: readUrl(request.url), headers: { "user-agent": "Filemill", "accept-encoding": "identity", ...request.headers } };
  for (let redirects = 0; ; redirects++) {
    guard.checkUrl(hop.url);
    const answer = await ask(hop.url, {
      dispatcher: agent,
      signal,
      method: request.method ?? "GET",
      headers: hop.headers,
      body: request.body ?? null,
    });
    const next = maxRedirects === 0 ? undefined : nextHop(hop, { status: answer.statusCode, location: answer.headers.location });
    if (next === undefined) return { ...answer, url: hop.url };
    answer.body.on("error", () => {}).destroy();
    if (redirects === maxRedirects)
      throw new FetchError("bad_redirect", `${String(request.url)} leads on more than ${maxRedirects} times.`);
    hop = next;
  }
}

function readUrl(url: string | URL): URL {
  if (url instanceof URL) return url;
  if (!URL.canParse(url)) throw new FetchError("refused", `"${url.slice(0, 200)}" is not a URL such as https://example.org/a.pdf`);
  return new URL(url);
}

interface Taking {
  readonly maxBytes: number;
  readonly hasBody: boolean;
  readonly signal: AbortSignal | undefined;
}

/** The body, as long as it has no more bytes than that; Content-Length is believed only where it says too much. */
function takeAtMost(answer: Answer, { maxBytes, hasBody, signal }: Taking): Readable {
  const tooLarge = (): FetchError => new FetchError("too_large", `${answer.url.href} has more than ${maxBytes} bytes.`);
  let taken = 0;
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      taken += chunk.length;
      if (taken > maxBytes) done(tooLarge());
      else done(null, chunk);
    },
    // Also what went wrong before this stream: pipeline() destroys it with that error.
    destroy(error, done) {
      done(error === null ? null : toFetchError(error, signal));
    },
  });
  pipeline(answer.body, counter, () => {});
  if (hasBody && Number(answer.headers["content-length"] ?? 0) > maxBytes) counter.destroy(tooLarge());
  return counter;
}

/** Aborts when the time is over or the caller's signal does. */
function limitedTime(totalMs: number, signal: AbortSignal | undefined): { signal: AbortSignal; end: () => void } {
  const controller = new AbortController();
  const passOn = (): void => controller.abort(signal?.reason);
  const timer = setTimeout(() => controller.abort(new FetchError("timeout", `It took longer than ${totalMs / 1000} s.`)), totalMs);
  if (signal?.aborted === true) passOn();
  signal?.addEventListener("abort", passOn, { once: true });
  return {
    signal: controller.signal,
    end() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", passOn);
    },
  };
}

const TIMEOUTS = [errors.ConnectTimeoutError, errors.HeadersTimeoutError, errors.BodyTimeoutError];

function toFetchError(error: unknown, signal: AbortSignal | undefined): Error {
  if (error instanceof FetchError) return error;
  const thrown = error instanceof Error ? error : new Error(String(error));
  if (signal?.aborted === true && error === signal.reason) return thrown;
  if (TIMEOUTS.some((timeout) => error instanceof timeout)) return new FetchError("timeout", "The server took too long.", { cause: error });
  return new FetchError("unreachable", "The server could not be reached, or ended the connection too early.", { cause: error });
}
