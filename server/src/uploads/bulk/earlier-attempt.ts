import type { Database } from "../../db/database.ts";
import { placeInBulk } from "../../record/bulk-id.ts";
import { readBulkRows, type BulkRow } from "../../record/bulk-rows.ts";

/** What an attempt that broke off has stored of a bulk. */
export interface EarlierAttempt {
  /** Asked for one ordinal after the other. `generation` is the one to store it with where it is not there. */
  at(ordinal: number): Promise<{ readonly file: BulkRow } | { readonly generation: number }>;
}

const PAGE_ROWS = 1_000;

export const NO_EARLIER_ATTEMPT: EarlierAttempt = { at: async () => ({ generation: 0 }) };

/** Reads the bulk's rows page by page, as the archive comes by them. */
export function readEarlierAttempt(database: Database, bulk: { tenantId: string; bulkId: string }): EarlierAttempt {
  const { tenantId, bulkId } = bulk;
  let page: BulkRow[] = [];
  let next = 0;
  let after: string | undefined = bulkId;

  async function peek(): Promise<BulkRow | undefined> {
    if (next >= page.length && after !== undefined) {
      const from: string = after;
      page = await database.asTenant(tenantId, (transaction) => readBulkRows(transaction, { bulkId, after: from, limit: PAGE_ROWS }));
      next = 0;
      after = page.length === PAGE_ROWS ? page.at(-1)?.id : undefined;
    }
    return page[next];
  }

  return {
    async at(ordinal) {
      let generation = 0;
      for (;;) {
        const row = await peek();
        if (row === undefined || placeInBulk(row.id).ordinal > ordinal) return { generation };
        next++;
        const place = placeInBulk(row.id);
        if (place.ordinal < ordinal) continue;
        if (row.origin === "upload") return { file: row };
        generation = place.generation + 1;
      }
    },
  };
}
