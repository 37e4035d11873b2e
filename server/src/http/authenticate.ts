import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Database } from "../db/database.ts";
import { Problem } from "../errors.ts";
import { verifyKey } from "../tenants/api-keys.ts";
import type { Principal } from "./services.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Set on every route but the open ones. */
    principal: Principal;
  }
  interface FastifyContextConfig {
    /** Answers without a key: health, and signed links, which are proof enough themselves. */
    open?: boolean;
    /** A page for people: also takes the key as the password of HTTP Basic. */
    basic?: boolean;
    /** Least role that may call. Left out: read-only for GET and HEAD, user for everything else. */
    role?: Principal["role"];
  }
}

/** From least to most; each role may do what those before it may. */
const ROLES: readonly Principal["role"][] = ["read-only", "user", "admin", "operator"];

/** Plugins of others (the API browser) make their own routes, which carry no config of ours. */
const PATHS_FOR_PEOPLE = /^\/(?:docs(?:\/|$)|openapi\.json$|metrics$)/;

/**
 * Demands a key on every route, unknown ones included, so that nobody without a key learns which exist. The answer to
 * a missing, malformed, unknown, expired and revoked key is the same.
 */
export function authenticate(app: FastifyInstance, database: Database): void {
  app.decorateRequest("principal");
  app.addHook("onRequest", async (request, reply) => {
    const { config } = request.routeOptions;
    if (config.open === true) return;
    const basic = config.basic === true || PATHS_FOR_PEOPLE.test(request.routeOptions.url ?? "");
    const key = presentedKey(request, basic);
    const principal = key === undefined ? undefined : await verifyKey(database, key);
    if (principal === undefined) {
      // RFC 9110 §11.6.1: a 401 names at least one challenge.
      reply.header("www-authenticate", basic ? 'Basic realm="filemill", charset="UTF-8"' : 'Bearer realm="filemill"');
      throw new Problem("unauthenticated", "Send an API key that is valid: Authorization: Bearer fml_…");
    }
    request.principal = principal;
    requireRole(principal, config.role ?? (isSafe(request.method) ? "read-only" : "user"));
  });
}

/** Throws Problem `forbidden` where the principal's role is less than `least`. */
export function requireRole(principal: Principal, least: Principal["role"]): void {
  if (ROLES.indexOf(principal.role) < ROLES.indexOf(least)) {
    throw new Problem("forbidden", `This needs the role "${least}"; the key has "${principal.role}". Use another key.`);
  }
}

function isSafe(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

function presentedKey(request: FastifyRequest, basic: boolean): string | undefined {
  const [, scheme, credentials] = /^(\S+) +(\S+) *$/.exec(request.headers.authorization ?? "") ?? [];
  if (scheme === undefined || credentials === undefined) return undefined;
  if (scheme.toLowerCase() === "bearer") return credentials;
  if (scheme.toLowerCase() !== "basic" || !basic) return undefined;
  const pair = Buffer.from(credentials, "base64").toString("utf8");
  return pair.slice(pair.indexOf(":") + 1);
}
