import { writeFile } from "node:fs/promises";
import { parseSize } from "@filemill/contract/parse-units.ts";
import { z } from "zod";
import { derivedName } from "./derived-name.ts";
import { openLockedSession } from "./duckdb/locked-session.ts";
import { profileTable } from "./duckdb/profile-table.ts";
import { TABLE_TYPES } from "./duckdb/table-reader.ts";
import { declareProcessor } from "./processor.ts";

const params = z.strictObject({
  top: z
    .int()
    .min(0)
    .max(100)
    .default(5)
    .meta({ title: "Top values", description: "How many of the most frequent values of a column are listed." }),
});

export const tableProfile = declareProcessor({
  name: "table.profile",
  version: "1",
  title: "Profile a table",
  description: "Describes every column of a table: type, count, nulls, distinct values, range, mean, quantiles and most frequent values.",
  kind: "map",
  emits: "one",
  accepts: TABLE_TYPES,
  produces: ["application/json"],
  params,
  limits: { memoryBytes: 2 * 2 ** 30, wallMs: 600_000, outputBytes: 64 * 2 ** 20, outputFiles: 1 },
  example: { top: 5 },
  codec: true,
  cacheable: { by: "content_and_names" },
  async run({ params, inputs, signal, output, progress }) {
    for (const input of inputs) {
      const path = output({ name: derivedName(input.name, ".profile.json"), mediaType: "application/json" });
      await using session = await openLockedSession({
        input,
        outputPath: path,
        memoryBytes: parseSize("512MiB"),
        // Every row is read anyway: types that fit them all.
        typesFrom: "all",
        keepAs: "table",
        signal,
      });
      const profile = { name: input.name, ...(await profileTable(session, { top: params.top, name: input.name, progress })) };
      await writeFile(path, `${JSON.stringify(profile, undefined, 2)}\n`);
    }
  },
});
