import { describe, expect, test } from "vitest";
import { runProcessor } from "../../test/processors/harness.ts";
import { derivedName } from "./derived-name.ts";
import { tableProfile } from "./table-profile.ts";
import { tableQuery } from "./table-query.ts";
import { textStats } from "./text-stats.ts";

test.each([
  ["a.png", "a.png.metadata.json"],
  ["n".repeat(241), `${"n".repeat(241)}.metadata.json`],
  ["n".repeat(255), `${"n".repeat(241)}.metadata.json`],
  ["ä".repeat(127), `${"ä".repeat(120)}.metadata.json`],
  ["\u{1f600}".repeat(63), `${"\u{1f600}".repeat(60)}.metadata.json`],
])("%s is named after within 255 bytes", (name, expected) => {
  expect(derivedName(name, ".metadata.json")).toBe(expected);
});

describe("results of an input with the longest name", () => {
  const stem = "ä".repeat(125);
  test.each([
    [textStats, {}, ".stats.json"],
    [tableProfile, {}, ".profile.json"],
    [tableQuery, { sql: "SELECT * FROM input", format: "parquet" }, ".parquet"],
  ])("have names that fit and an ending that tells", async (processor, options, ending) => {
    const input = { name: `${stem}.csv`, mediaType: "text/csv", content: "a,b\n1,2\n" };
    await using run = await runProcessor(processor, { with: options, inputs: [input] });
    expect(run.only.name.endsWith(ending)).toBe(true);
    expect(Buffer.byteLength(run.only.name)).toBeLessThanOrEqual(255);
  });
});
