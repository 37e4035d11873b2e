import type { Database } from "../db/database.ts";
import { readManifests, type FileManifest } from "../outputs/content.ts";

/** What is known of the inputs of tasks, read for all that are prepared at the same time. */
export interface Manifests {
  /** Those of the files that are stored, in no order. Rejects database errors. */
  of(tenantId: string, ids: readonly string[]): Promise<FileManifest[]>;
}

interface Asked {
  readonly tenantId: string;
  readonly ids: readonly string[];
  readonly answer: PromiseWithResolvers<FileManifest[]>;
}

/** Who asks while a transaction runs shares the next one: the nodes of a tree are claimed, and so prepared, many at a time. */
export function openManifests(database: Database): Manifests {
  let waiting: Asked[] = [];
  let isReading = false;

  async function readOn(): Promise<void> {
    isReading = true;
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        const files = await database.asSystem(async (transaction) => {
          const found = new Map<string, FileManifest>();
          for (const [tenantId, those] of Map.groupBy(batch, (asked) => asked.tenantId)) {
            const ids = new Set(those.flatMap((asked) => asked.ids));
            for (const file of await readManifests(transaction, tenantId, [...ids])) found.set(keyOf(tenantId, file.id), file);
          }
          return found;
        });
        for (const { tenantId, ids, answer } of batch) answer.resolve(ids.flatMap((id) => files.get(keyOf(tenantId, id)) ?? []));
      } catch (error) {
        for (const { answer } of batch) answer.reject(error);
      }
    }
    isReading = false;
  }

  return {
    of(tenantId, ids) {
      if (ids.length === 0) return Promise.resolve([]);
      const answer = Promise.withResolvers<FileManifest[]>();
      waiting.push({ tenantId, ids, answer });
      if (!isReading) void readOn();
      return answer.promise;
    },
  };
}

function keyOf(tenantId: string, id: string): string {
  return `${tenantId}/${id}`;
}
