import type { IncomingMessage } from "node:http";

const UPLOADS = /^\/api\/v1\/uploads(?:[/?]|$)/;
const METHODS: ReadonlySet<string> = new Set(["POST", "HEAD", "PATCH", "DELETE", "OPTIONS", "GET"]);

/**
 * Before routing, for resumable uploads alone: "The X-HTTP-Method-Override request header MUST be a string which MUST be
 * interpreted as the request's method by the Server, if the header is presented." For clients behind proxies that let no
 * PATCH through. Roles are asked for by the method that is meant. Gives the path as it is.
 */
export function overrideMethod(request: IncomingMessage): string {
  const meant = request.headers["x-http-method-override"];
  const { url = "/" } = request;
  if (typeof meant === "string" && METHODS.has(meant.toUpperCase()) && UPLOADS.test(url)) request.method = meant.toUpperCase();
  return url;
}
