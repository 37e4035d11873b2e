import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { newKeyText, parseKey } from "./key-format.ts";

test("a new key has the shape that secret scanners look for, and no two are the same", () => {
  const keys = Array.from({ length: 200 }, () => newKeyText("test"));
  for (const key of keys) expect(key).toMatch(/^fml_test_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}$/);
  expect(new Set(keys).size).toBe(keys.length);
});

test("parsing gives the id and the SHA-256 of the 43 secret characters", () => {
  const key = newKeyText();
  const secret = key.slice("fml_live_".length + 11, -6);
  expect(secret).toHaveLength(43);
  expect(parseKey(key)).toEqual({ keyId: key.slice(9, 19), secretSha256: createHash("sha256").update(secret).digest() });
});

test("the checksum is a fixed one", () => {
  expect(parseKey(`fml_live_${"A".repeat(10)}_${"A".repeat(43)}1LKPJs`)).toBeDefined();
});

test("one changed character, wherever, is refused", () => {
  const character = fc.constantFrom(..."0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_ ");
  fc.assert(
    fc.property(fc.nat(68), character, (position, replacement) => {
      const key = newKeyText();
      fc.pre(key[position] !== replacement);
      expect(parseKey(key.slice(0, position) + replacement + key.slice(position + 1))).toBeUndefined();
    }),
  );
});

test.each(["", "fml_live_", "Bearer x", `${newKeyText()}\n`, ` ${newKeyText()}`, newKeyText().slice(0, -1), `${newKeyText()}0`])(
  "%j is no key",
  (text) => {
    expect(parseKey(text)).toBeUndefined();
  },
);
