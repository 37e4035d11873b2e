import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { parseDictionary, ParseError } from "structured-headers";
import { Problem } from "../errors.ts";

/** What a client says that the bytes it sends hash to. */
export interface Digest {
  readonly algorithm: "sha-256" | "sha-512";
  readonly value: Buffer;
  /** As it was sent: Content-Digest or Repr-Digest. */
  readonly field: string;
}

export interface DigestClaims {
  /** SHA-256 is always made. */
  readonly needsSha512: boolean;
  /** All of them, once the content has ended, because some may have stood behind it. Throws as claimsOf does. */
  read(): readonly Digest[];
}

/** What claims can stand in: the headers of a request or of a part, and what follows the content. */
export interface DigestSource {
  readonly headers: IncomingHttpHeaders;
  /** Of a request, filled when its content has ended. */
  readonly trailers?: () => Readonly<Record<string, string | undefined>>;
}

const LENGTHS = { "sha-256": 32, "sha-512": 64 } as const;
const FIELDS = ["Content-Digest", "Repr-Digest"] as const;

/**
 * RFC 9530. We store content as it is sent, so that the content and the representation are the same bytes and both fields
 * claim the same. Algorithms that are not LENGTHS are passed over: "A recipient MAY ignore any or all of the digests".
 * Throws Problem `validation_failed` for a field that is not what its RFC says.
 */
export function claimsOf({ headers, trailers }: DigestSource): DigestClaims | undefined {
  const before = digestsIn(headers);
  const announced = trailers !== undefined && /\b(content|repr)-digest\b/i.test(String(headers.trailer ?? ""));
  // Trailers may come unannounced, but only behind a chunked body.
  const mayFollow = announced || (trailers !== undefined && headers["transfer-encoding"] !== undefined);
  if (before.length === 0 && !mayFollow) return undefined;
  const needsSha512 = announced || before.some(({ algorithm }) => algorithm === "sha-512");
  return {
    needsSha512,
    read() {
      const after = digestsIn(trailers?.() ?? {});
      if (!needsSha512 && after.some(({ algorithm }) => algorithm === "sha-512")) {
        throw new Problem("validation_failed", "A sha-512 digest behind the content has to be announced before it: Trailer: Repr-Digest.");
      }
      return [...before, ...after];
    },
  };
}

/** Hashes a body for its claims as it passes. `check` throws as compareDigests and the claims' `read` do. */
export function createDigestCheck(claims: DigestClaims): { update(chunk: Buffer): void; check(): void } {
  const sha256 = createHash("sha256");
  const sha512 = claims.needsSha512 ? createHash("sha512") : undefined;
  return {
    update(chunk) {
      sha256.update(chunk);
      sha512?.update(chunk);
    },
    check: () => compareDigests(claims.read(), { sha256: sha256.digest(), sha512: sha512?.digest() }),
  };
}

/** Throws Problem `digest_mismatch` for the first claim that is wrong. */
export function compareDigests(claims: readonly Digest[], actual: { readonly sha256: Buffer; readonly sha512: Buffer | undefined }): void {
  const wrong = claims.find(({ algorithm, value }) => (algorithm === "sha-256" ? actual.sha256 : actual.sha512)?.equals(value) !== true);
  if (wrong === undefined) return;
  throw new Problem(
    "digest_mismatch",
    `The bytes that came are not those of the ${wrong.algorithm} in ${wrong.field}. Nothing is stored; send the file again.`,
  );
}

function digestsIn(fields: Readonly<Record<string, string | readonly string[] | undefined>>): Digest[] {
  return FIELDS.flatMap((field) => {
    const text = fields[field.toLowerCase()];
    return text === undefined ? [] : readField(field, String(text));
  });
}

function readField(field: string, text: string): Digest[] {
  const digests: Digest[] = [];
  for (const [algorithm, [value]] of dictionaryOf(field, text)) {
    if (algorithm !== "sha-256" && algorithm !== "sha-512") continue;
    if (!(value instanceof ArrayBuffer) || value.byteLength !== LENGTHS[algorithm]) throw malformed(field);
    digests.push({ algorithm, value: Buffer.from(value), field });
  }
  return digests;
}

function dictionaryOf(field: string, text: string): ReturnType<typeof parseDictionary> {
  try {
    return parseDictionary(text);
  } catch (error) {
    if (error instanceof ParseError) throw malformed(field);
    throw error;
  }
}

function malformed(field: string): Problem {
  return new Problem(
    "validation_failed",
    `${field} must be as in RFC 9530: sha-256=:<base64 of 32 bytes>: or sha-512=:<base64 of 64 bytes>:`,
    {
      issues: [{ pointer: `/headers/${field.toLowerCase()}`, message: "is not a dictionary of digests" }],
    },
  );
}
