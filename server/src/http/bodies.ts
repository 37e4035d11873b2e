import type { FastifyInstance } from "fastify";

/** How long what is left of a refused body is still taken in, so that the client gets to read the answer. */
const LINGER_MS = 10_000;

/**
 * When a body is asked for, and what becomes of one that nobody wants.
 *
 * A client that sends `Expect: 100-continue` waits for our word. It gets it behind authentication and the checks of the
 * headers, not at once as Node would do, so that a refusal costs no body (RFC 9110 §10.1.1).
 */
export function readBodies(app: FastifyInstance): void {
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

function expectsContinue(header: string | undefined): boolean {
  return header?.toLowerCase() === "100-continue";
}
