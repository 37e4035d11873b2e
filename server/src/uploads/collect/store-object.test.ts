import { Readable } from "node:stream";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CollectedSource } from "@filemill/contract/source.ts";
import { startWebServer, type WebServer } from "../../../test/collect/web-server.ts";
import { contentsIn } from "../../../test/contents-in.ts";
import { createMemoryStore } from "../../../test/memory-store.ts";
import { parseTarget } from "../../config-fetch.ts";
import { createSources } from "./sources.ts";

let web: WebServer;
beforeAll(async () => {
  web = await startWebServer((request, response) => {
    if (request.headers["if-none-match"] !== undefined) return response.writeHead(304).end();
    return response.writeHead(200).end("a text of 20 bytes.\n");
  });
});
afterAll(() => web.close());

/** As the code of its item where it is refused. Known: what was fetched before has not changed since. */
async function collect(
  { limits, known }: { limits?: CollectedSource["limits"]; known: boolean },
  allowedTypes?: readonly string[],
): Promise<{ code: string; message: string } | "taken"> {
  const sources = createSources({
    contents: contentsIn(createMemoryStore("memory")),
    allowedTypes,
    config: { named: new Map(), folders: [] },
    fetch: { ports: [80], allow: [parseTarget("127.0.0.1:*")] },
    maxFileBytes: 2 ** 30,
    openStored: async () => Readable.from([]),
    tenantName: async () => undefined,
  });
  const location = `${web.url}/a.txt`;
  const before = { fileId: uuidv7(), sizeBytes: 20, mediaType: "text/plain", etag: '"a"', modifiedAt: null };
  const reference = { id: uuidv7(), identity: Buffer.from(location), location, name: "a.txt", known: known ? before : undefined };
  const spec: CollectedSource = { kind: "urls", urls: [location], limits };
  try {
    const source = await sources.open({ tenantId: uuidv7(), jobId: uuidv7(), spec });
    const options = { roomBytes: Number.POSITIVE_INFINITY, signal: new AbortController().signal };
    return await source.collect(reference, options).then(
      ({ type }) => {
        expect(type).toBe(known ? "unchanged" : "stored");
        return "taken";
      },
      ({ code, message }: { code: string; message: string }) => ({ code, message }),
    );
  } finally {
    await sources.close();
  }
}

describe.each([
  ["is fetched", false],
  ["is here already, fetched under other limits", true],
])("an object that %s", (_what, known) => {
  it("is taken within the limits", async () => {
    expect(await collect({ known })).toBe("taken");
    expect(await collect({ known, limits: { accept: ["text/*"], max_size: "20B" } }, ["text/plain"])).toBe("taken");
  });

  it("is not of a type that the source does not take", async () => {
    expect(await collect({ known, limits: { accept: ["image/*"] } })).toEqual({
      code: "type_mismatch",
      message: "Its content is text/plain; the source takes image/*.",
    });
  });

  it("is not of a type that the installation does not take, whatever the source takes", async () => {
    expect(await collect({ known, limits: { accept: ["*/*"] } }, ["image/*", "text/csv"])).toEqual({
      code: "type_mismatch",
      message: "Its content is text/plain; this platform takes image/*, text/csv.",
    });
  });

  it("is not larger than the source takes", async () => {
    expect(await collect({ known, limits: { max_size: "19B" } })).toMatchObject({ code: "limit_exceeded" });
  });
});
