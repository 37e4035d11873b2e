import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KeyProvider } from "./key-provider.ts";

export interface ProviderCase {
  /** The same root key each time: as another process has it. */
  readonly open: () => KeyProvider;
  /** Can it make new versions itself? */
  readonly rotates: boolean;
  readonly close?: () => Promise<void>;
}

const NAME = "filemill/wrap/v1|tenant-key|a|b|1";

/** What every provider of a root key promises. */
export function keyProviderContract(name: string, start: () => Promise<ProviderCase>): void {
  describe(`key provider contract: ${name}`, () => {
    let given: ProviderCase;
    beforeAll(async () => {
      given = await start();
    });
    afterAll(async () => given.close?.());

    it("unwraps what was wrapped, in another process too", async () => {
      const key = randomBytes(32);
      const wrapped = await given.open().wrap(key, NAME);
      expect(wrapped.wrappedKey.includes(key)).toBe(false);
      expect((await given.open().unwrap(wrapped, NAME)).equals(key)).toBe(true);
    });

    it("wraps the same key differently each time", async () => {
      const key = randomBytes(32);
      const provider = given.open();
      const [one, other] = [await provider.wrap(key, NAME), await provider.wrap(key, NAME)];
      expect(one.wrappedKey.equals(other.wrappedKey)).toBe(false);
    });

    it("does not unwrap under another name, or what was changed", async () => {
      const provider = given.open();
      const wrapped = await provider.wrap(randomBytes(32), NAME);
      await expect(provider.unwrap(wrapped, `${NAME}0`)).rejects.toMatchObject({ code: "unavailable" });
      const changed = Buffer.from(wrapped.wrappedKey);
      const last = changed.length - 2;
      changed[last] = (changed[last] ?? 0) ^ 1;
      await expect(provider.unwrap({ ...wrapped, wrappedKey: changed }, NAME)).rejects.toMatchObject({ code: "unavailable" });
    });

    it("says under which version it wraps, and knows its own versions", async () => {
      const provider = given.open();
      const version = await provider.version();
      expect((await provider.wrap(randomBytes(32), NAME)).rootVersion).toBe(version);
      expect(provider.owns(version)).toBe(true);
      expect(provider.owns("another:1")).toBe(false);
      const all = await provider.versions();
      if (all !== undefined) expect(all).toContain(version);
    });

    it("wraps under a new version after a rotation, and still unwraps under the old one; or says why it can't", async () => {
      const provider = given.open();
      const key = randomBytes(32);
      const before = await provider.wrap(key, NAME);
      if (!given.rotates) return await expect(provider.rotate()).rejects.toMatchObject({ code: "unavailable" });
      await provider.rotate();
      const after = await provider.wrap(key, NAME);
      expect(await provider.version()).toBe(after.rootVersion);
      expect(after.rootVersion).not.toBe(before.rootVersion);
      for (const wrapped of [before, after]) expect((await given.open().unwrap(wrapped, NAME)).equals(key)).toBe(true);
    });
  });
}
