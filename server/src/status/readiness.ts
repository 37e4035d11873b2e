import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";

export interface Check {
  readonly ok: boolean;
  /** For people; never an address or a password. */
  readonly detail: string;
}

export interface Readiness {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, Check>>;
}

/** Longer than that and whoever asks has given up. */
const CHECK_TIMEOUT_MS = 2_000;
/** However many ask, the database is asked once a second. */
const KEPT_MS = 1_000;

/** Whether this process can do its work: each check has two seconds, and an answer is at most a second old. Never rejects. */
export function createReadiness(checks: Readonly<Record<string, () => Promise<string>>>): () => Promise<Readiness> {
  let known: { readonly at: number; readonly answer: Promise<Readiness> } | undefined;
  return () => {
    if (known === undefined || performance.now() - known.at > KEPT_MS) known = { at: performance.now(), answer: lookAt(checks) };
    return known.answer;
  };
}

/** A round trip as the engine. */
export async function checkDatabase(database: Database): Promise<string> {
  await database.asSystem((transaction) => transaction.query(sql`SELECT 1`));
  return "answers";
}

async function lookAt(checks: Readonly<Record<string, () => Promise<string>>>): Promise<Readiness> {
  const entries = await Promise.all(Object.entries(checks).map(async ([name, check]) => [name, await withLimit(check)] as const));
  return { ready: entries.every(([, check]) => check.ok), checks: Object.fromEntries(entries) };
}

async function withLimit(check: () => Promise<string>): Promise<Check> {
  const done = new AbortController();
  const late = delay(CHECK_TIMEOUT_MS, undefined, { signal: done.signal, ref: false }).then(
    () => ({ ok: false, detail: `no answer within ${CHECK_TIMEOUT_MS / 1_000} s` }),
    () => ({ ok: false, detail: "not waited for" }),
  );
  const asked = check().then(
    (detail) => ({ ok: true, detail }),
    (error: unknown) => ({ ok: false, detail: reasonOf(error) }),
  );
  const answer = await Promise.race([asked, late]);
  done.abort();
  return answer;
}

/** The code, not the message, which may hold addresses. */
function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? `failed (${code})` : "failed";
}
