import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";

/** What can go wrong between a store's server and us, and in it. */
export const FAULTS = [
  "refused", // 503 at once; nothing was done
  "answer-lost", // it was done, and 500 is the answer
  "reset", // it was done, and the connection breaks
  "stalled", // it was done, and nothing more comes
  "cut-short", // half of the body, then the connection breaks
  "shorter", // half of the body, under a length that fits it
  "wrong-etag",
  "error-in-200",
  "stale-404",
] as const;
export type Fault = (typeof FAULTS)[number];

export interface FaultProxy {
  readonly endpoint: string;
  /** How often each was done. */
  readonly counts: Readonly<Record<Fault | "none", number>>;
  /** Which fault the next request meets. */
  decide(next: () => Fault | undefined): void;
  /** Nobody is there any more: `gone` refuses connections, `silent` accepts them and says nothing. */
  vanish(how: "gone" | "silent"): Promise<void>;
  comeBack(): Promise<void>;
  close(): Promise<void>;
}

const ERROR_XML =
  '<?xml version="1.0" encoding="UTF-8"?><Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>';
const MISSING_XML = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code></Error>';

/** An HTTP proxy before `target` that is as bad as it is told to be. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const to = new URL(target);
  const counts = { none: 0, ...Object.fromEntries(FAULTS.map((fault) => [fault, 0])) } as Record<Fault | "none", number>;
  let next: () => Fault | undefined = () => undefined;
  let isSilent = false;

  const server = createServer((incoming, response) => {
    incoming.on("error", () => undefined);
    response.on("error", () => undefined);
    if (isSilent) return;
    const fault = next();
    counts[fault ?? "none"]++;
    handle(to, { incoming, response, fault }).catch(() => response.destroy());
  });
  server.keepAliveTimeout = 60_000;
  const listen = async (port: number) => {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  };
  await listen(0);
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  const { port } = address;
  const stop = async () => {
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  };

  return {
    endpoint: `http://127.0.0.1:${port}${to.pathname === "/" ? "" : to.pathname}`,
    counts,
    decide(decided) {
      next = decided;
    },
    async vanish(how) {
      if (how === "gone") await stop();
      else isSilent = true;
    },
    async comeBack() {
      if (isSilent) server.closeAllConnections();
      isSilent = false;
      if (!server.listening) await listen(port);
    },
    close: stop,
  };
}

interface Exchange {
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  readonly fault: Fault | undefined;
}

async function handle(to: URL, { incoming, response, fault }: Exchange): Promise<void> {
  if (fault === "refused" || (fault === "stale-404" && incoming.method !== "PUT" && incoming.method !== "POST")) {
    incoming.resume();
    await once(incoming, "end");
    if (fault === "refused") answer(response, 503, ERROR_XML);
    else answer(response, 404, MISSING_XML);
    return;
  }
  const { url, method, headers } = incoming;
  const outgoing = httpRequest({ host: to.hostname, port: to.port, path: url, method, headers });
  const [[answered]] = await Promise.all([once(outgoing, "response") as Promise<[IncomingMessage]>, pipeline(incoming, outgoing)]);
  switch (fault) {
    case "answer-lost":
      answered.resume();
      return answer(response, 500, ERROR_XML);
    case "error-in-200":
      answered.resume();
      return answer(response, 200, ERROR_XML);
    case "reset":
      answered.resume();
      incoming.socket.destroy();
      return;
    case "stalled":
      answered.resume();
      return;
    default:
      return await passOn(answered, response, fault);
  }
}

async function passOn(answered: IncomingMessage, response: ServerResponse, fault: Fault | undefined): Promise<void> {
  const headers = { ...answered.headers };
  if (fault === "wrong-etag" && headers.etag !== undefined) headers.etag = '"00000000000000000000000000000000"';
  const length = Number(headers["content-length"] ?? 0);
  // An answer to HEAD has a length and no body.
  const isHalved = (fault === "cut-short" || fault === "shorter") && length > 1 && response.req.method !== "HEAD";
  if (isHalved && fault === "shorter") headers["content-length"] = String(Math.floor(length / 2));
  response.writeHead(answered.statusCode ?? 502, headers);
  if (!isHalved) return await pipeline(answered, response);
  let left = Math.floor(length / 2);
  for await (const chunk of answered as AsyncIterable<Buffer>) {
    const part = chunk.subarray(0, left);
    left -= part.length;
    if (part.length > 0 && !response.write(part)) await once(response, "drain");
    if (left === 0) break;
  }
  if (fault === "shorter") response.end();
  else response.destroy();
}

function answer(response: ServerResponse, status: number, xml: string): void {
  response.writeHead(status, { "content-type": "application/xml", "content-length": Buffer.byteLength(xml) });
  response.end(response.req.method === "HEAD" ? undefined : xml);
}
