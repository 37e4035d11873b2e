import { errorFromAnswer, FilemillError, unreachable } from "./error.ts";
import { backoffMs, pause } from "./pause.ts";

/** Where the server is and who asks. */
export interface ConnectOptions {
  /** Base URL, for example `http://127.0.0.1:8080`. */
  readonly url: string;
  /** API key; without it only health answers. */
  readonly key?: string | undefined;
  /** Further tries after the first, 4 unless told; 0 turns retrying off. */
  readonly retries?: number | undefined;
  /** Another fetch, for example one with a proxy. */
  readonly fetch?: typeof fetch | undefined;
}

export interface Call {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "PATCH" | "DELETE";
  /** Below the base URL, for example `/api/v1/files`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>> | undefined;
  readonly json?: unknown;
  /** A function is called for each try, and its stream is sent as it is made. */
  readonly content?: Blob | FormData | (() => ReadableStream<Uint8Array>) | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Transport {
  /** Resolves with a 2xx (or 304) answer, body unread; rejects with FilemillError or the signal's reason. */
  send(call: Call): Promise<Response>;
  /** As send, in one try. */
  once(call: Call): Promise<Response>;
  /** The parsed JSON body. */
  json<T>(call: Call): Promise<T>;
  readonly retries: number;
}

const DEFAULT_RETRIES = 4;

export function createTransport(options: ConnectOptions): Transport {
  const base = options.url.replace(/\/+$/, "");
  const retries = options.retries ?? DEFAULT_RETRIES;
  const doFetch = options.fetch ?? globalThis.fetch;

  async function send(call: Call): Promise<Response> {
    const headers = headersOf(call, options.key);
    for (let tries = 0; ; tries++) {
      const outcome = await attempt(call, headers);
      if (outcome instanceof Response) return outcome;
      if (tries >= retries || !mayRepeat(outcome)) throw outcome;
      await pause(backoffMs(tries, outcome.retryAfter), call.signal);
    }
  }

  async function attempt(call: Call, headers: Headers): Promise<Response | FilemillError> {
    const content = typeof call.content === "function" ? call.content() : call.content;
    const body = call.json === undefined ? content : JSON.stringify(call.json);
    let response: Response;
    try {
      response = await doFetch(`${base}${call.path}${queryOf(call.query)}`, {
        method: call.method,
        headers,
        ...(body === undefined ? {} : { body }),
        // The Fetch standard demands it of every body that is a stream.
        ...(body instanceof ReadableStream && { duplex: "half" }),
        ...(call.signal === undefined ? {} : { signal: call.signal }),
      });
    } catch (error) {
      call.signal?.throwIfAborted();
      return unreachable(base, error);
    }
    return response.ok || response.status === 304 ? response : errorFromAnswer(response);
  }

  return {
    send,
    retries,
    async once(call) {
      const outcome = await attempt(call, headersOf(call, options.key));
      if (outcome instanceof Response) return outcome;
      throw outcome;
    },
    async json<T>(call: Call) {
      const response = await send({ ...call, headers: { accept: "application/json", ...call.headers } });
      // The server builds its answers with the schemas of contract/; T is the same schema's type.
      return (response.status === 204 ? undefined : await parse(response)) as T;
    },
  };
}

function headersOf(call: Call, key: string | undefined): Headers {
  const headers = new Headers(call.headers);
  if (key !== undefined) headers.set("authorization", `Bearer ${key}`);
  if (call.json !== undefined) headers.set("content-type", "application/json");
  // One key for all tries of one call, so that a repeated one does its work once. An uploading PUT makes a file each time too.
  if ((call.method === "POST" || call.method === "PUT") && !headers.has("idempotency-key"))
    headers.set("idempotency-key", crypto.randomUUID());
  return headers;
}

/** Refused for now, or no answer: as every call that changes something has its key, it may be sent again even where it arrived. */
function mayRepeat({ status }: FilemillError): boolean {
  return status === 0 || status === 429 || status === 503;
}

async function parse(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FilemillError({
      code: "bad_answer",
      status: response.status,
      detail: `${response.url} did not answer with JSON; is it a Filemill server?`,
      cause,
    });
  }
}

function queryOf(query: Call["query"]): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}
