import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { claimsOf, compareDigests } from "./digest-fields.ts";

/** The content and digests of RFC 9530, appendix B.1. */
const CONTENT = '{"hello": "world"}\n';
const SHA256 = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
const SHA512 = "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:";

const actual = {
  sha256: createHash("sha256").update(CONTENT).digest(),
  sha512: createHash("sha512").update(CONTENT).digest(),
};
const other = { sha256: Buffer.alloc(32), sha512: Buffer.alloc(64) };

const read = (headers: Record<string, string>) => claimsOf({ headers })?.read() ?? [];

describe("a digest", () => {
  test.each([
    { "content-digest": SHA256 },
    { "repr-digest": SHA512 },
    { "content-digest": `${SHA512}, ${SHA256}` },
    { "content-digest": SHA256, "repr-digest": SHA512 },
    { "repr-digest": `unixsum=1, ${SHA256};some=parameter, md5=:Sd/dVLAcvNLSq16eXua5uQ==:` },
  ])("%j fits the content of the RFC, and no other", (headers) => {
    expect(() => compareDigests(read(headers), actual)).not.toThrow();
    expect(() => compareDigests(read(headers), other)).toThrow(expect.objectContaining({ code: "digest_mismatch" }));
  });

  test("is wrong where one of several is wrong", () => {
    const wrong = `sha-256=:${Buffer.alloc(32).toString("base64")}:`;
    expect(() => compareDigests(read({ "content-digest": `${SHA512}, ${wrong}` }), actual)).toThrow(/sha-256 in Content-Digest/);
    expect(() => compareDigests(read({ "content-digest": SHA256, "repr-digest": wrong }), actual)).toThrow(/sha-256 in Repr-Digest/);
  });

  test.each([
    {},
    { "content-digest": "" },
    { "content-digest": "md5=:Sd/dVLAcvNLSq16eXua5uQ==:" },
    { "repr-digest": "unixsum=30637, sha=?0" },
  ])("%j claims nothing that we know", (headers) => {
    expect(read(headers)).toEqual([]);
  });

  test.each([
    ...["sha-256", "sha-256=abc", 'sha-256="abc"', "sha-256=1", "sha-256=:abc", "sha-256=:YWJj:", "sha-256=(:YWJj:)", "sha-256=:!:"],
    ...[
      "SHA-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:",
      "=",
      ",",
      `${SHA256},`,
      `${SHA256} ${SHA512}`,
      "sha-512=:YWJj:",
      "\u0000",
    ],
    SHA256.replace("sha-256", "sha-512"),
  ])("%j is malformed", (text) => {
    expect(() => claimsOf({ headers: { "content-digest": text } })).toThrow(expect.objectContaining({ code: "validation_failed" }));
  });
});

describe("digests behind the content", () => {
  const trailers = (fields: Record<string, string>) => () => fields;

  test("are read when it has ended", () => {
    const claims = claimsOf({
      headers: { trailer: "Content-Digest", "transfer-encoding": "chunked" },
      trailers: trailers({ "content-digest": SHA512 }),
    });
    expect(claims?.needsSha512).toBe(true);
    expect(() => compareDigests(claims?.read() ?? [], other)).toThrow(/sha-512 in Content-Digest/);
  });

  test("may come unannounced, but for sha-512, which would be hashed too late", () => {
    const headers = { "transfer-encoding": "chunked" };
    expect(claimsOf({ headers, trailers: trailers({ "repr-digest": SHA256 }) })?.read()).toHaveLength(1);
    expect(() => claimsOf({ headers, trailers: trailers({ "repr-digest": SHA512 }) })?.read()).toThrow(/announced/);
    expect(() => claimsOf({ headers, trailers: trailers({ "repr-digest": "x=" }) })?.read()).toThrow(
      expect.objectContaining({ code: "validation_failed" }),
    );
  });
});
