import type { NextTimesRequest } from "@filemill/contract/schedules.ts";
import type { Database } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { readCron } from "./cron.ts";

const USUAL_COUNT = 5;

/** When an expression comes due next, by the database's clock. Throws Problem validation_failed. */
export async function nextTimes(database: Database, asked: NextTimesRequest & { readonly tenantId: string }): Promise<string[]> {
  const { tenantId, cron, time_zone: timeZone = "UTC", count = USUAL_COUNT } = asked;
  const [clock] = await database.asTenant(tenantId, (transaction) => transaction.query<{ now: Date }>(sql`SELECT now() AS now`));
  return clock ? nextTimesOf({ cron, timeZone }, { now: clock.now, count }) : [];
}

export function nextTimesOf(
  schedule: { readonly cron: string; readonly timeZone: string },
  { now, count }: { readonly now: Date; readonly count: number },
): string[] {
  return readCron(schedule)
    .next(now, count)
    .map((time) => time.toISOString());
}
