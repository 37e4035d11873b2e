import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ProcessorResource, type PipelineResource } from "@filemill/contract/pipelines.ts";
import { startTestApp, type TestApp } from "../../../test/test-app.ts";

let test: TestApp;
beforeAll(async () => {
  test = await startTestApp();
});
afterAll(() => test.close());

const DOCUMENT = { steps: { info: { use: "image.metadata" } } };
const json = (method: string, body: unknown) => ({ method, body: JSON.stringify(body), headers: { "content-type": "application/json" } });

async function bodyOf<T>(answer: Response): Promise<T> {
  return (await answer.json()) as T;
}

describe("/pipelines", () => {
  it("stores, versions, shows and deletes", async () => {
    const tenant = await test.tenant();
    const first = await tenant.fetch("/pipelines/mine", json("PUT", DOCUMENT));
    expect([first.status, await first.json()]).toMatchObject([201, { name: "mine", version: 1, built_in: false }]);
    expect((await tenant.fetch("/pipelines/mine", json("PUT", DOCUMENT))).status).toBe(200);
    const second = await tenant.fetch("/pipelines", json("POST", { ...DOCUMENT, name: "mine", description: "changed" }));
    expect([second.status, await second.json()]).toMatchObject([201, { version: 2 }]);
    expect(await (await tenant.fetch("/pipelines/mine@1")).json()).toMatchObject({ version: 1, document: DOCUMENT });
    expect((await tenant.fetch("/pipelines/mine", { method: "DELETE" })).status).toBe(204);
    expect((await tenant.fetch("/pipelines/mine")).status).toBe(404);
    expect((await tenant.fetch("/pipelines/mine", { method: "DELETE" })).status).toBe(404);
    expect((await tenant.fetch("/pipelines/thumbnails", { method: "DELETE" })).status).toBe(409);
  });

  it("lists own and built-in ones by name, page by page", async () => {
    const tenant = await test.tenant();
    for (const name of ["aaa", "thumbnails", "zzz"]) await tenant.fetch(`/pipelines/${name}`, json("PUT", DOCUMENT));
    const seen: PipelineResource[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const query: string = cursor === "" ? "" : `&cursor=${cursor}`;
      const page: { data: PipelineResource[]; next_cursor: string | null } = await bodyOf(await tenant.fetch(`/pipelines?limit=3${query}`));
      expect(page.data.length).toBeLessThanOrEqual(3);
      seen.push(...page.data);
      cursor = page.next_cursor;
    }
    const names = seen.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)].toSorted());
    expect(names).toEqual(expect.arrayContaining(["aaa", "photo-set", "sum-numbers", "zzz"]));
    expect(seen.find(({ name }) => name === "thumbnails")?.built_in).toBe(false);
    expect(seen.find(({ name }) => name === "photo-set")?.built_in).toBe(true);
  });

  it("refuses a document with mistakes, or another name than the path's", async () => {
    const tenant = await test.tenant();
    const bad = await tenant.fetch("/pipelines/mine", json("PUT", { steps: { a: { use: "image.metdata" } } }));
    expect([bad.status, await bad.json()]).toMatchObject([
      400,
      { issues: [{ pointer: "/steps/a/use", suggestion: 'Did you mean "image.metadata"?' }] },
    ]);
    expect((await tenant.fetch("/pipelines/mine", json("PUT", { ...DOCUMENT, name: "other" }))).status).toBe(400);
    expect((await tenant.fetch("/pipelines", json("POST", DOCUMENT))).status).toBe(400);
    expect((await tenant.fetch("/pipelines/Not%20a%20name", json("PUT", DOCUMENT))).status).toBe(400);
  });

  it("lints anything, also for a key that may only read", async () => {
    const reader = await test.tenant("read-only");
    const lint = async (body: unknown) => (await reader.fetch("/pipelines/lint", json("POST", body))).json();
    expect(await lint(DOCUMENT)).toEqual({ valid: true, issues: [] });
    expect(await lint({ steps: { a: { use: "image.metadata", needs: ["a"] } } })).toMatchObject({
      valid: false,
      issues: [{ pointer: "/steps/a/needs/0" }],
    });
    expect(await lint([])).toMatchObject({ valid: false });
  });
});

describe("/processors", () => {
  it("shows every processor with its parameters as JSON Schema", async () => {
    const tenant = await test.tenant("read-only");
    const { data } = await bodyOf<{ data: unknown[] }>(await tenant.fetch("/processors"));
    const processors = data.map((entry) => ProcessorResource.parse(entry));
    expect(processors.map(({ name }) => name)).toEqual(expect.arrayContaining(["image.resize", "table.query", "archive.zip"]));
    const resize = ProcessorResource.parse(await (await tenant.fetch("/processors/image.resize")).json());
    expect(resize.parameters).toMatchObject({ type: "object", properties: { width: { type: "integer" } } });
    const unknown = await tenant.fetch("/processors/resize");
    expect([unknown.status, await unknown.json()]).toMatchObject([
      404,
      { detail: 'There is no processor "resize". Did you mean "image.resize"?' },
    ]);
  });
});
