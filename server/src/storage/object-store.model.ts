import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { expect, it } from "vitest";
import { createMemoryStore } from "../../test/memory-store.ts";
import type { ObjectStore } from "./object-store.ts";
import { STORAGE_CLASSES, type StorageClass } from "@filemill/contract/storage-class.ts";

/** Any sequence of commands answers in a store as in the model. `open` gives an empty store, a new one each time. */
export function objectStoreModel(
  open: () => Promise<ObjectStore>,
  { runs, inspect }: { runs: number; inspect?: () => Promise<void> },
): void {
  it("behaves as the model under any commands", { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 25 }), async (commands) => {
        const store = await open();
        const model = createMemoryStore();
        for (const step of commands) expect(await answerOf(store, step)).toEqual(await answerOf(model, step));
        await store.close();
        await inspect?.();
      }),
      { numRuns: runs },
    );
  });
}

type Ending = "whole" | "source fails" | "aborted";

type Command =
  | {
      readonly kind: "put";
      readonly key: string;
      readonly content: Uint8Array;
      readonly ending: Ending;
      readonly storageClass: StorageClass;
    }
  | { readonly kind: "get"; readonly key: string; readonly start: number; readonly length: number }
  | { readonly kind: "whole" | "head" | "delete" | "list"; readonly key: string }
  | { readonly kind: "class"; readonly key: string; readonly storageClass: "hot" | "cold" }
  | { readonly kind: "copy"; readonly key: string; readonly to: string };

const key = fc
  .array(fc.constantFrom("a", "b-1", "0193f0aa-1111", "0193f0aa-2222"), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join("/"));
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    kind: fc.constant("put" as const),
    key,
    content: fc.uint8Array({ maxLength: 64 }),
    ending: fc.constantFrom<Ending>("whole", "whole", "source fails", "aborted"),
    storageClass: fc.constantFrom(...STORAGE_CLASSES.filter((one) => one !== "archive")),
  }),
  fc.record({ kind: fc.constant("get" as const), key, start: fc.nat(70), length: fc.integer({ min: 1, max: 70 }) }),
  fc.record({ kind: fc.constantFrom("whole" as const, "head" as const, "delete" as const, "list" as const), key }),
  fc.record({ kind: fc.constant("class" as const), key, storageClass: fc.constantFrom("hot" as const, "cold" as const) }),
  fc.record({ kind: fc.constant("copy" as const), key, to: key }),
);

/** What a caller sees of one command, without times. */
async function answerOf(store: ObjectStore, step: Command): Promise<unknown> {
  try {
    switch (step.kind) {
      case "put":
        return await put(store, step);
      case "get":
        return await textOf(store.get(step.key, { range: { start: step.start, end: step.start + step.length - 1 } }));
      case "whole":
        return await textOf(store.get(step.key));
      case "head":
        return (await store.head(step.key))?.sizeBytes;
      case "delete":
        return await store.delete(step.key);
      case "class":
        return await store.setClass(step.key, step.storageClass);
      case "list":
        return (await Array.fromAsync(store.list(step.key), ({ key: listed, sizeBytes }) => `${listed} ${sizeBytes}`)).toSorted();
      case "copy":
        return await store.copy(step.key, step.to);
    }
  } catch (error) {
    if (!(error instanceof Error)) return error;
    return "code" in error ? error.code : error.name;
  }
}

async function textOf(content: Promise<Readable>): Promise<string> {
  return (await buffer(await content)).toString("hex");
}

async function put(store: ObjectStore, step: Extract<Command, { kind: "put" }>): Promise<unknown> {
  const abort = new AbortController();
  let isRead = false;
  const content = new Readable({
    read() {
      if (isRead) return;
      isRead = true;
      if (step.content.length > 0) this.push(Buffer.from(step.content));
      if (step.ending === "whole") this.push(null);
      else if (step.ending === "source fails") this.destroy(Object.assign(new Error("source"), { code: "source" }));
      else setImmediate(() => abort.abort());
    },
  });
  return await store.put(step.key, content, {
    signal: abort.signal,
    storageClass: step.storageClass,
  });
}
