import type { FastifyInstance, FastifyRequest } from "fastify";
import { Problem } from "../errors.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The route looks at the bytes itself: the codings that it can take off. */
    contentCodings?: readonly string[];
  }
}

/** How long what is left of a refused body is still taken in, so that the client gets to read the answer. */
const LINGER_MS = 10_000;

/**
 * When a body is asked for, and what becomes of one that nobody wants.
 *
 * A client that sends `Expect: 100-continue` waits for our word. It gets it behind authentication and the checks of the
 * headers, not at once as Node would do, so that a refusal costs no body (RFC 9110 §10.1.1).
 */
export function readBodies(app: FastifyInstance): void {
  app.addHook("onRequest", async (request) => refuseTransformed(request));
  app.server.on("checkContinue", (request, response) => app.server.emit("request", request, response));
  app.addHook("preParsing", async (request, reply) => {
    if (expectsContinue(request.headers.expect)) reply.raw.writeContinue();
  });
  app.addHook("onSend", async (request, reply) => {
    // Whether a body follows the refusal is the client's choice, so that what follows can't be read as a next request.
    if (expectsContinue(request.headers.expect) && !request.raw.complete) reply.header("connection", "close");
  });
  app.addHook("onResponse", async (request) => {
    if (request.raw.complete || request.raw.destroyed) return;
    // A socket that is closed with unread bytes is reset, and the reset can overtake the answer. So we read on for a while.
    request.raw.resume();
    const { socket } = request.raw;
    const timer = setTimeout(() => {
      if (!request.raw.complete) socket.destroy();
    }, LINGER_MS);
    timer.unref();
    request.raw.once("close", () => clearTimeout(timer));
  });
}

/**
 * What would be stored would not be what was meant: a part of a file as the whole (RFC 9110 §14.5 asks for 400), or coded
 * bytes in the place of the file's own (§15.5.16: 415, with what is taken). Transfer codings are the parser's, which knows
 * chunked alone and leaves others in the content.
 */
function refuseTransformed(request: FastifyRequest): void {
  const { headers, method } = request;
  const transfer = headers["transfer-encoding"];
  if (transfer !== undefined && transfer.toLowerCase() !== "chunked") {
    throw new Problem(
      "validation_failed",
      `The Transfer-Encoding "${transfer}" is not taken; send the bytes as they are, chunked at most.`,
    );
  }
  if (method === "PUT" && headers["content-range"] !== undefined) {
    throw new Problem(
      "validation_failed",
      "A part of a file can't be sent by Content-Range. Use a resumable upload: POST /api/v1/uploads.",
    );
  }
  const coding = headers["content-encoding"]?.trim().toLowerCase();
  const taken = ["identity", ...(request.routeOptions.config.contentCodings ?? [])];
  if (coding !== undefined && !taken.includes(coding)) {
    throw new Problem(
      "type_not_allowed",
      `The Content-Encoding "${coding}" is not taken here, only ${taken.join(", ")}. Send the bytes as they are.`,
    );
  }
}

function expectsContinue(header: string | undefined): boolean {
  return header?.toLowerCase() === "100-continue";
}
