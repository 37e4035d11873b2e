import { Readable } from "node:stream";
import type { Config } from "../src/config.ts";
import type { Database } from "../src/db/database.ts";
import { sql } from "../src/db/sql.ts";
import type { Sources } from "../src/jobs/sources/source.ts";
import { readManifests } from "../src/outputs/content.ts";
import type { ContentStore } from "../src/storage/content-store.ts";
import { SourceError } from "../src/jobs/sources/source.ts";
import { createSources } from "../src/uploads/collect/sources.ts";

/** What a worker lists and fetches the inputs of jobs with. */
export function openSources(
  config: Pick<Config, "sources" | "fetch"> & {
    readonly limits: Pick<Config["limits"], "maxFileBytes"> & Partial<Pick<Config["limits"], "allowedTypes">>;
  },
  { database, contents }: { database: Database; contents: ContentStore },
): Sources {
  return createSources({
    contents,
    config: config.sources,
    fetch: config.fetch,
    maxFileBytes: config.limits.maxFileBytes,
    allowedTypes: config.limits.allowedTypes,
    async openStored({ tenantId, fileId, start }) {
      const [manifest] = await database.asSystem((transaction) => readManifests(transaction, tenantId, [fileId]));
      if (!manifest) throw new SourceError("input_dead", "bad_input", "The file with the list is not there any more.");
      if (start >= manifest.sizeBytes) return Readable.from([]);
      return await contents.read(manifest, { range: { start, end: manifest.sizeBytes - 1 } });
    },
    async tenantName(tenantId) {
      const [tenant] = await database.asSystem((transaction) =>
        transaction.query<{ name: string }>(sql`SELECT name FROM tenants WHERE id = ${tenantId}::uuid`),
      );
      return tenant?.name;
    },
  });
}
