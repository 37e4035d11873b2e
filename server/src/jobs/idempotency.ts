import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { LONG_STATEMENT_MS, type Database, type Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { Problem } from "../errors.ts";
import { failpoint } from "../failpoint.ts";

/** What a request was answered: HTTP status and JSON body. */
export interface Answer<Body> {
  readonly status: number;
  readonly body: Body;
}

export interface IdempotentRequest {
  readonly tenantId: string;
  /** The header Idempotency-Key; undefined where the client sent none, and then nothing is remembered. */
  readonly key: string | undefined;
  /** sha256 over everything that makes this request what it is; see hashRequest. */
  readonly requestHash: Buffer;
}

const MAX_KEY_BYTES = 255;
/** A request that takes longer is a large one; who repeats it is told to come again rather than kept. */
const TURN_MS = 5_000;
const FIRST_LOOK_MS = 20;
const LAST_LOOK_MS = 250;

/**
 * Runs `work` at most once for a key. Its answer is stored by the very transaction that holds its effect: either both are
 * there or neither, wherever a connection is cut, and a client that heard nothing asks again and gets what was stored.
 * Two requests at once take turns on a lock of their key, so that the second finds the answer of the first; who waits
 * holds no connection, because a crowd with one key would otherwise take them all. What `work` throws is not remembered:
 * nothing happened, and the key is free. Work must touch nothing but the transaction.
 *
 * Throws Problem idempotency_key_reused where the key was used for another request, unavailable where the first request
 * is still under way after 5 s.
 */
export async function withIdempotency<Body>(
  database: Database,
  request: IdempotentRequest,
  work: (transaction: Transaction) => Promise<Answer<Body>>,
): Promise<Answer<Body> & { readonly replayed: boolean }> {
  const { tenantId, key } = request;
  const limits = { statementMs: LONG_STATEMENT_MS };
  if (key === undefined) {
    return await database.asTenant(tenantId, async (transaction) => ({ ...(await work(transaction)), replayed: false }), limits);
  }
  refuseBadKey(key);
  const deadline = performance.now() + TURN_MS;
  for (let lookMs = FIRST_LOOK_MS; ; lookMs = Math.min(lookMs * 2, LAST_LOOK_MS)) {
    const answer = await database.asTenant(tenantId, (transaction) => inTurn(transaction, { ...request, key }, work), limits);
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) {
      throw new Problem(
        "unavailable",
        `A request with the Idempotency-Key "${key}" is still under way. Send this one again for its answer.`,
        {
          retryAfterSeconds: 1,
        },
      );
    }
    await delay(lookMs * (0.5 + Math.random()));
  }
}

/** Undefined where another request with this key is under way. */
async function inTurn<Body>(
  transaction: Transaction,
  { tenantId, key, requestHash }: IdempotentRequest & { readonly key: string },
  work: (transaction: Transaction) => Promise<Answer<Body>>,
): Promise<(Answer<Body> & { readonly replayed: boolean }) | undefined> {
  const [turn] = await transaction.query<{ ours: boolean }>(
    sql`SELECT pg_try_advisory_xact_lock(hashtextextended(${`idempotency ${tenantId} ${key}`}, 0)) AS ours`,
  );
  if (turn?.ours !== true) return undefined;
  const [stored] = await transaction.query<{ request_sha256: Buffer; status: number; answer: Body }>(sql`
    SELECT request_sha256, status, answer FROM idempotency_keys WHERE tenant_id = ${tenantId} AND key = ${key}`);
  if (stored && !stored.request_sha256.equals(requestHash)) {
    throw new Problem(
      "idempotency_key_reused",
      `The Idempotency-Key "${key}" was used for another request; send this one with a key of its own.`,
    );
  }
  if (stored) return { status: stored.status, body: stored.answer, replayed: true };
  const answer = await work(transaction);
  // Answered from the stored form, so that a replay can't differ, not even in the order of keys.
  const [row] = await transaction.query<{ answer: Body }>(sql`
    INSERT INTO idempotency_keys (tenant_id, key, request_sha256, status, answer)
    VALUES (${tenantId}, ${key}, ${requestHash}, ${answer.status}, ${JSON.stringify(answer.body)}::jsonb) RETURNING answer`);
  await failpoint("idempotency-before-commit");
  return { status: answer.status, body: row?.answer ?? answer.body, replayed: false };
}

/** sha256 of a JSON value, whatever the order of its keys. Put the method and the path in it. */
export function hashRequest(value: unknown): Buffer {
  return createHash("sha256").update(JSON.stringify(value, sortKeys)).digest();
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1)));
}

function refuseBadKey(key: string): void {
  const bytes = Buffer.byteLength(key);
  if (bytes >= 1 && bytes <= MAX_KEY_BYTES) return;
  const issues = [{ pointer: "/headers/idempotency-key", message: `must have 1–${MAX_KEY_BYTES} bytes` }];
  throw new Problem("validation_failed", `The header Idempotency-Key must have 1–${MAX_KEY_BYTES} bytes; it has ${bytes}.`, { issues });
}
