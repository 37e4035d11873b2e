import { v7 as uuidv7, validate, version } from "uuid";
import { describe, expect, it } from "vitest";
import { MAX_GENERATED } from "@filemill/contract/source.ts";
import { newBulkId } from "./bulk-id.ts";
import { generatedDocument, generatedId, generatedInput } from "./generated-id.ts";

describe("ids of generated inputs", () => {
  it.each([
    { ordinal: 0, count: 1 },
    { ordinal: 41, count: 100_000 },
    { ordinal: MAX_GENERATED - 1, count: MAX_GENERATED },
  ])("hold $ordinal of $count", (input) => {
    const id = generatedId(input);
    expect([validate(id), version(id)]).toEqual([true, 8]);
    expect(generatedInput(id)).toEqual(input);
  });

  it("are never those of files", () => {
    for (const id of [uuidv7(), newBulkId(), "00000000-0000-0000-0000-000000000000"]) expect(generatedInput(id)).toBeUndefined();
  });

  it("say what the document is", () => {
    const { name, mediaType, content } = generatedDocument({ ordinal: 7, count: 9 });
    expect([name, mediaType, content.toString()]).toEqual(["7.json", "application/json", '{"ordinal":7,"count":9}']);
  });
});
