import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PipelineDocument } from "@filemill/contract/pipeline.ts";
import { cloneDatabase, type ClonedDatabase } from "../../../test/database.ts";
import { toyCatalogue } from "../../../test/toy-catalogue.ts";
import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { findPipeline } from "./find.ts";
import { resolvePipeline } from "./resolve.ts";
import { deletePipeline, getPipeline, listPipelines, putPipeline } from "./store.ts";

let clone: ClonedDatabase;
const catalogue = toyCatalogue();
const document = (width: number): PipelineDocument => ({ steps: { small: { use: "toy.image", with: { width } } } });

beforeAll(async () => {
  clone = await cloneDatabase();
});
afterAll(() => clone.close());

/** A tenant of one's own for each test. */
async function newTenant() {
  const tenantId = randomUUID();
  await clone.database.asSystem((transaction) =>
    transaction.execute(sql`INSERT INTO tenants (id, name) VALUES (${tenantId}, ${tenantId})`),
  );
  const run = <T>(work: (transaction: Transaction) => Promise<T>) => clone.database.asTenant(tenantId, work);
  const put = (name: string, content: PipelineDocument) =>
    run((transaction) => putPipeline(transaction, { tenantId, name, document: content }));
  return { run, put };
}

describe("stored pipelines", () => {
  it("get a new version when they change, and none when they don't", async () => {
    const { put, run } = await newTenant();
    const first = await put("small", document(10));
    expect(first).toMatchObject({
      created: true,
      resource: { name: "small", version: 1, built_in: false, document: { name: "small", ...document(10) } },
    });
    expect(await put("small", { ...document(10), name: "small" })).toEqual({ ...first, created: false });
    expect(await put("small", document(20))).toMatchObject({ created: true, resource: { version: 2 } });
    expect(await put("small", document(10))).toMatchObject({ created: true, resource: { version: 3 } });
    expect(await run((transaction) => getPipeline(transaction, { name: "small", version: 2 }))).toMatchObject({
      version: 2,
      document: document(20),
    });
  });

  it("take turns when they change at once", async () => {
    const { put } = await newTenant();
    const results = await Promise.all([1, 2, 3, 4, 5].map((width) => put("busy", document(width))));
    expect(results.map(({ resource }) => resource.version).toSorted()).toEqual([1, 2, 3, 4, 5]);
  });

  it("are listed by name in their latest version, page by page", async () => {
    const { put, run } = await newTenant();
    for (const name of ["b", "a", "c"]) await put(name, document(1));
    await put("a", document(2));
    const page = await run((transaction) => listPipelines(transaction, { limit: 2 }));
    expect(page.map(({ name, version }) => [name, version])).toEqual([
      ["a", 2],
      ["b", 1],
    ]);
    expect((await run((transaction) => listPipelines(transaction, { limit: 2, after: "b" }))).map(({ name }) => name)).toEqual(["c"]);
  });

  it("are gone once deleted, and come back as a new version", async () => {
    const { put, run } = await newTenant();
    await put("old", document(1));
    expect(await run((transaction) => deletePipeline(transaction, "old"))).toBe(true);
    expect(await run((transaction) => deletePipeline(transaction, "old"))).toBe(false);
    expect(await run((transaction) => getPipeline(transaction, { name: "old" }))).toBeUndefined();
    expect(await run((transaction) => getPipeline(transaction, { name: "old", version: 1 }))).toBeUndefined();
    expect(await put("old", document(1))).toMatchObject({ created: true, resource: { version: 2 } });
  });

  it("belong to one tenant", async () => {
    const [mine, other] = [await newTenant(), await newTenant()];
    await mine.put("secret", document(1));
    expect(await other.run((transaction) => listPipelines(transaction, { limit: 10 }))).toEqual([]);
    await expect(other.run((transaction) => findPipeline(transaction, "secret"))).rejects.toMatchObject({ code: "not_found" });
    await expect(clone.database.asSystem((transaction) => listPipelines(transaction, { limit: 10 }))).rejects.toThrow(
      /filemill\.tenant|type uuid/,
    );
  });
});

describe("the pipeline of a request", () => {
  it("is a document", async () => {
    const { run } = await newTenant();
    const resolved = await run((transaction) => resolvePipeline(transaction, { pipeline: document(7) }, catalogue));
    expect(resolved).toMatchObject({ name: "inline", version: null, params: {}, plan: { stages: [{ steps: [{ with: { width: 7 } }] }] } });
  });

  it("is a name, or a name and a version, with parameters", async () => {
    const { run, put } = await newTenant();
    await put("wide", {
      params: { properties: { w: { type: "integer", default: 3 } } },
      steps: { a: { use: "toy.image", with: { width: "${params.w}" } } },
    });
    await put("wide", document(9));
    const resolve = (pipeline: string, params?: Record<string, unknown>) =>
      run((transaction) => resolvePipeline(transaction, { pipeline, params }, catalogue));
    expect(await resolve("wide")).toMatchObject({ name: "wide", version: 2, plan: { stages: [{ steps: [{ with: { width: 9 } }] }] } });
    expect(await resolve("wide@1")).toMatchObject({
      version: 1,
      params: { w: 3 },
      plan: { stages: [{ steps: [{ with: { width: 3 } }] }] },
    });
    expect(await resolve("wide@1", { w: 4 })).toMatchObject({ params: { w: 4 }, plan: { stages: [{ steps: [{ with: { width: 4 } }] }] } });
    await expect(resolve("wide@1", { w: "x" })).rejects.toMatchObject({ code: "validation_failed", issues: [{ pointer: "/params/w" }] });
    await expect(resolve("wide@3")).rejects.toThrow("Its latest version is 2.");
  });

  it("is built in unless the tenant has one of that name", async () => {
    const { run, put } = await newTenant();
    expect(await run((transaction) => findPipeline(transaction, "thumbnails"))).toMatchObject({ built_in: true, id: null, version: null });
    await put("thumbnails", document(1));
    expect(await run((transaction) => findPipeline(transaction, "thumbnails"))).toMatchObject({ built_in: false, version: 1 });
  });

  it("is refused with the name that was meant, or with every mistake", async () => {
    const { run } = await newTenant();
    await expect(run((transaction) => findPipeline(transaction, "thumbnials"))).rejects.toThrow('Did you mean "thumbnails"?');
    const pipeline = { steps: { a: { use: "toy.imag", needs: ["b"] } } };
    await expect(run((transaction) => resolvePipeline(transaction, { pipeline }, catalogue))).rejects.toMatchObject({
      code: "validation_failed",
      issues: [{ pointer: "/pipeline/steps/a/needs/0" }, { pointer: "/pipeline/steps/a/use" }],
    });
  });

  it("is refused when a stored one does not fit the processors any more", async () => {
    const { run, put } = await newTenant();
    await put("stale", { steps: { a: { use: "gone.away" } } });
    await expect(run((transaction) => resolvePipeline(transaction, { pipeline: "stale" }, catalogue))).rejects.toMatchObject({
      code: "validation_failed",
      issues: [{ pointer: "/steps/a/use" }],
    });
  });
});
