import { timingSafeEqual } from "node:crypto";
import { encodeId } from "@filemill/contract/ids.ts";
import { v7 as uuidv7 } from "uuid";
import { systemClock, type Clock } from "../clock.ts";
import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { Principal } from "./principal.ts";
import { appendAudit } from "../record/audit.ts";
import { appendEvents } from "../record/events.ts";
import { newKeyText, parseKey } from "./key-format.ts";

/** A revoked key may still be taken for so long. */
const CACHE_MS = 5_000;
const CACHE_SIZE = 10_000;

/**
 * Who a key stands for, or undefined for every reason not to take it: not a key, unknown, another secret, expired,
 * revoked. Asks the database at most once in five seconds for a key that is good; never for one with a wrong checksum.
 */
export async function verifyKey(database: Database, text: string, clock: Clock = systemClock): Promise<Principal | undefined> {
  const parts = parseKey(text);
  if (!parts) return undefined;
  const cache = cacheOf(database);
  const cacheKey = `${parts.keyId}.${parts.secretSha256.toString("base64")}`;
  const cached = cache.get(cacheKey);
  if (cached && cached.until > clock.monotonicMs()) return cached.principal;
  cache.delete(cacheKey);

  const row = await findLiveKey(database, parts.keyId);
  if (!row || !timingSafeEqual(row.secret_sha256, parts.secretSha256)) return undefined;
  const principal = { tenantId: row.tenant_id, actor: encodeId("key", row.id), role: row.role };
  if (cache.size >= CACHE_SIZE) cache.clear();
  cache.set(cacheKey, { principal, until: clock.monotonicMs() + Math.min(CACHE_MS, row.expires_in_ms ?? CACHE_MS) });
  return principal;
}

export interface NewKey {
  readonly tenantId: string;
  readonly name: string;
  readonly role: Principal["role"];
  /** Never, where left out. */
  readonly expiresAt?: Date;
  /** Who makes it, for the audit log. */
  readonly actor: string;
  /** Taken as the key, where somebody chose it beforehand; must parse. */
  readonly text?: string;
}

/** Makes a key; `text` is the only time that its secret is seen, because only the SHA-256 is kept. */
export async function createKey(transaction: Transaction, key: NewKey): Promise<{ id: string; text: string }> {
  const text = key.text ?? newKeyText();
  const parts = parseKey(text);
  if (!parts) throw new TypeError("The text given is not an API key.");
  const uuid = uuidv7();
  const id = encodeId("key", uuid);
  await transaction.execute(sql`
    INSERT INTO api_keys (id, tenant_id, key_id, secret_sha256, name, role, expires_at)
    VALUES (${uuid}::uuid, ${key.tenantId}::uuid, ${parts.keyId}, ${parts.secretSha256}, ${key.name}, ${key.role}, ${key.expiresAt ?? null})`);
  await appendEvents(transaction, [{ tenantId: key.tenantId, type: "key.created", data: { id, name: key.name, role: key.role } }]);
  await appendAudit(transaction, {
    tenantId: key.tenantId,
    actor: key.actor,
    action: "key.create",
    object: id,
    detail: { name: key.name, role: key.role },
  });
  return { id, text };
}

/** Ends a key for good; false where the tenant has no such key that is not revoked yet. Effective everywhere within five seconds. */
export async function revokeKey(transaction: Transaction, key: { tenantId: string; uuid: string; actor: string }): Promise<boolean> {
  const changed = await transaction.execute(sql`
    UPDATE api_keys SET revoked_at = now() WHERE id = ${key.uuid}::uuid AND tenant_id = ${key.tenantId}::uuid AND revoked_at IS NULL`);
  if (changed === 0) return false;
  const id = encodeId("key", key.uuid);
  await appendEvents(transaction, [{ tenantId: key.tenantId, type: "key.revoked", data: { id } }]);
  await appendAudit(transaction, { tenantId: key.tenantId, actor: key.actor, action: "key.revoke", object: id });
  return true;
}

interface KeyRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly secret_sha256: Buffer;
  readonly role: Principal["role"];
  /** null: it never expires. */
  readonly expires_in_ms: number | null;
}

/** As the system, because the tenant is what we want to learn. The database's clock decides about expiry. */
async function findLiveKey(database: Database, keyId: string): Promise<KeyRow | undefined> {
  const [row] = await database.asSystem((transaction) =>
    transaction.query<KeyRow>(sql`
      SELECT id, tenant_id, secret_sha256, role, (extract(epoch FROM expires_at - now()) * 1000)::float8 AS expires_in_ms
      FROM api_keys
      WHERE key_id = ${keyId} AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`),
  );
  return row;
}

interface Verified {
  readonly principal: Principal;
  /** By the monotonic clock. */
  readonly until: number;
}

const caches = new WeakMap<Database, Map<string, Verified>>();

function cacheOf(database: Database): Map<string, Verified> {
  let cache = caches.get(database);
  if (!cache) caches.set(database, (cache = new Map()));
  return cache;
}
