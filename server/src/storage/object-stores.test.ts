import { describe, expect, it } from "vitest";
import { createMemoryStore } from "../../test/memory-store.ts";
import { createObjectStores } from "./object-stores.ts";

const tenantId = "0193f0aa-1111-7000-8000-000000000001";
const keys = Array.from({ length: 3_000 }, (_unused, index) => `${tenantId}/file-${index}/0/0`);

const members = (...names: string[]) => names.map((name) => ({ store: createMemoryStore(name) }));

describe("object stores", () => {
  it("spread new objects evenly, and always place a key alike", () => {
    const stores = createObjectStores(members("a", "b", "c"));
    const again = createObjectStores(members("c", "a", "b"));
    const counts = new Map<string, number>();
    for (const objectKey of keys) {
      const { name } = stores.place({ tenantId, objectKey });
      expect(again.place({ tenantId, objectKey }).name).toBe(name);
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    for (const name of ["a", "b", "c"]) expect(Math.abs((counts.get(name) ?? 0) - 1_000)).toBeLessThan(120);
  });

  it("keep the segments of a file together", () => {
    const stores = createObjectStores(members("a", "b", "c"));
    for (const key of keys.slice(0, 100)) {
      const names = [0, 1, 2, 3].map((segment) => stores.place({ tenantId, objectKey: key.replace(/0$/, String(segment)) }).name);
      expect(new Set(names).size).toBe(1);
    }
  });

  it("move nothing between the old stores when one is added", () => {
    const before = createObjectStores(members("a", "b"));
    const after = createObjectStores(members("a", "b", "c"));
    for (const objectKey of keys) {
      const { name } = after.place({ tenantId, objectKey });
      if (name !== "c") expect(name).toBe(before.place({ tenantId, objectKey }).name);
    }
  });

  it("keep a tenant's bytes in its region, and refuse where it has no store", () => {
    const stores = createObjectStores([
      { store: createMemoryStore("eu-1"), region: "eu" },
      { store: createMemoryStore("eu-2"), region: "eu" },
      { store: createMemoryStore("us-1"), region: "us" },
    ]);
    const placed = (region: string) => new Set(keys.map((objectKey) => stores.place({ tenantId, objectKey, region }).name));
    expect(placed("eu")).toEqual(new Set(["eu-1", "eu-2"]));
    expect(placed("us")).toEqual(new Set(["us-1"]));
    expect(() => placed("asia")).toThrow(expect.objectContaining({ code: "unavailable" }));
  });

  it("take a tenant without a region anywhere", () => {
    const stores = createObjectStores([{ store: createMemoryStore("eu-1"), region: "eu" }, { store: createMemoryStore("other") }]);
    expect(new Set(keys.map((objectKey) => stores.place({ tenantId, objectKey }).name))).toEqual(new Set(["eu-1", "other"]));
  });

  it("choose a store for the class, and a hot one where no store is for it alone", () => {
    const stores = createObjectStores([{ store: createMemoryStore("fast") }, { store: createMemoryStore("slow"), storageClass: "cold" }]);
    const placed = (storageClass: "hot" | "cold" | "archive") => stores.place({ tenantId, objectKey: "a/b", storageClass }).name;
    expect([placed("hot"), placed("cold"), placed("archive")]).toEqual(["fast", "slow", "fast"]);
  });

  it("find a store by the name in a row, and say which names there are where it is not", () => {
    const stores = createObjectStores(members("a", "b"));
    expect(stores.named("b").name).toBe("b");
    expect(() => stores.named("old")).toThrow(/no store named "old".*"a", "b"/);
  });
});
