import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { canonicalJson } from "./canonical-json.ts";

/**
 * What a signed link allows. There is no field for the algorithm, so that nobody can choose a weaker one: it is
 * HMAC-SHA-256 over the canonical JSON of these.
 */
export interface LinkClaims {
  readonly v: 1;
  /** Version of the tenant's key. */
  readonly kid: number;
  /** Public id. */
  readonly tenant: string;
  /** Public id of the file that is given, or of the upload link whose row says what is taken. */
  readonly object: string;
  /** SHA-256 of the file in hex: the link is for these bytes. Empty for an upload. */
  readonly version: string;
  /** GET also allows HEAD. */
  readonly method: "GET" | "PUT";
  /** Seconds since 1970 at which it ends. */
  readonly exp: number;
  /** Bytes of the file, or most bytes that are taken. */
  readonly max: number;
  /** See link_epochs. */
  readonly epoch: number;
}

export interface SignedLink {
  readonly claims: LinkClaims;
  /** Is it by this key? */
  isBy(key: Buffer): boolean;
}

export function signLink(claims: LinkClaims, key: Buffer): string {
  const payload = Buffer.from(canonicalJson(claims));
  return `${payload.toString("base64url")}.${macOf(payload, key).toString("base64url")}`;
}

/**
 * The claims in a link, of which nothing is true before `isBy` says so. Undefined for every text that signLink can't have
 * made: each link has one text, so that none of its bits can be changed without a change of meaning.
 */
export function readLink(text: string): SignedLink | undefined {
  if (text.length > MAX_CHARACTERS) return undefined;
  const [payload, mac, ...more] = text.split(".").map(strictly);
  if (payload === undefined || mac === undefined || more.length > 0) return undefined;
  const claims = parse(payload);
  if (claims === undefined) return undefined;
  return { claims, isBy: (key) => mac.length === MAC_BYTES && timingSafeEqual(mac, macOf(payload, key)) };
}

/** Ours have about 330. */
const MAX_CHARACTERS = 1_000;
const MAC_BYTES = 32;

const Claims = z.strictObject({
  v: z.literal(1),
  kid: z
    .int()
    .min(1)
    .max(2 ** 31 - 1),
  tenant: z.string(),
  object: z.string(),
  version: z.string(),
  method: z.enum(["GET", "PUT"]),
  exp: z
    .int()
    .min(0)
    .max(2 ** 40),
  max: z.int().min(0),
  epoch: z
    .int()
    .min(0)
    .max(2 ** 31 - 1),
});

function parse(payload: Buffer): LinkClaims | undefined {
  try {
    const parsed = Claims.safeParse(JSON.parse(payload.toString("utf8")));
    return parsed.success && payload.equals(Buffer.from(canonicalJson(parsed.data))) ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function macOf(payload: Buffer, key: Buffer): Buffer {
  return createHmac("sha256", key).update(payload).digest();
}

/** Node's decoder passes over what is not of the alphabet, and the last character has bits that mean nothing. */
function strictly(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : undefined;
}
