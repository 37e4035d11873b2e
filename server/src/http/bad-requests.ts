import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { PROBLEM_STATUS } from "@filemill/contract/errors.ts";
import { Problem } from "../errors.ts";
import { bodyOf } from "./render-error.ts";

export interface BadRequests {
  /** To be called once, before the server listens. */
  watch(server: Server): void;
  /** For Fastify's clientErrorHandler. */
  answer(error: Error, socket: Socket): void;
}

/**
 * The answer to what Node's parser refuses: bytes that are no request, so that there is nobody to log and no framework to
 * answer. Where they follow a whole request that is still being worked on, they are not answered at all: the client
 * would take the answer for that request's, which gets its own before the connection is closed.
 */
export function createBadRequests(): BadRequests {
  const latest = new WeakMap<Socket, { readonly request: IncomingMessage; readonly response: ServerResponse }>();
  return {
    watch(server) {
      server.on("request", (request, response) => void latest.set(request.socket, { request, response }));
    },
    answer(error, socket) {
      if (("code" in error && error.code === "ECONNRESET") || socket.destroyed) return;
      const before = latest.get(socket);
      if (before?.request.complete === true && !before.response.writableFinished) {
        before.response.once("close", () => socket.destroySoon());
        return;
      }
      if (socket.writable) socket.write(refusal());
      socket.destroySoon();
    },
  };
}

function refusal(): string {
  const problem = new Problem("validation_failed", "This is not a valid HTTP request.");
  const body = JSON.stringify(bodyOf(problem));
  const status = PROBLEM_STATUS[problem.code];
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
}
