import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readLink, signLink, type LinkClaims } from "./link-token.ts";

const key = randomBytes(32);
const claims: LinkClaims = {
  v: 1,
  kid: 1,
  tenant: "ten_a",
  object: "file_b",
  version: "ab".repeat(32),
  method: "GET",
  exp: 2_000_000_000,
  max: 12,
  epoch: 0,
};

/** A link as somebody would forge it: other claims, and the signature of ours. */
function forged(changes: Record<string, unknown>, write = JSON.stringify): string {
  const [payload = "", mac = ""] = signLink(claims, key).split(".");
  const altered = { ...JSON.parse(Buffer.from(payload, "base64url").toString()), ...changes };
  return `${Buffer.from(write(altered)).toString("base64url")}.${mac}`;
}

const accepts = (text: string) => readLink(text)?.isBy(key) === true;

test("a link is read as it was signed, by its key alone", () => {
  const link = readLink(signLink(claims, key));
  expect(link?.claims).toEqual(claims);
  expect(link?.isBy(key)).toBe(true);
  expect(link?.isBy(randomBytes(32))).toBe(false);
});

test.each([
  ...[
    { v: 2 },
    { kid: 2 },
    { tenant: "ten_c" },
    { object: "file_c" },
    { version: "cd".repeat(32) },
    { method: "PUT" },
    { exp: 2_000_000_001 },
  ],
  ...[
    { max: 13 },
    { epoch: 1 },
    { alg: "none" },
    { kid: "1" },
    { exp: 1e300 },
    { exp: -1 },
    { epoch: 0.5 },
    { method: "DELETE" },
    { v: "1" },
  ],
])("with %j it is not ours", (changes) => {
  expect(accepts(forged(changes))).toBe(false);
});

test("no character of it can be changed, left out or added", () => {
  const text = signLink(claims, key);
  expect(accepts(text)).toBe(true);
  for (let at = 0; at < text.length; at++) {
    const other = text[at] === "A" ? "B" : "A";
    expect(accepts(text.slice(0, at) + other + text.slice(at + 1)), `changed at ${at}`).toBe(false);
    expect(accepts(text.slice(0, at) + text.slice(at + 1)), `left out at ${at}`).toBe(false);
    expect(accepts(`${text.slice(0, at)}A${text.slice(at)}`), `added at ${at}`).toBe(false);
  }
  // The last character of 32 bytes in base64 has two bits that mean nothing.
  const last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  expect([...last].filter((character) => accepts(text.slice(0, -1) + character))).toEqual([text.at(-1)]);
});

test("the same claims in another order, with spaces, or signed as another's text are not ours", () => {
  const { v, ...rest } = claims;
  const sign = (text: string) => {
    const payload = Buffer.from(text);
    return `${payload.toString("base64url")}.${signLink(claims, key).split(".")[1]}`;
  };
  expect(accepts(sign(JSON.stringify({ ...rest, v })))).toBe(false);
  expect(accepts(sign(JSON.stringify(claims, undefined, 1)))).toBe(false);
});

test("no text makes it throw", () => {
  const parts = fc.constantFrom(".", "e30", "bnVsbA", "W10", signLink(claims, key), "=", "\u0000", "ä", "A".repeat(900));
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(parts).map((some) => some.join("")),
      ),
      (text) => void readLink(text),
    ),
  );
  expect(readLink("A".repeat(10_000_000))).toBeUndefined();
});
