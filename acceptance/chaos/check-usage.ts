import { setTimeout as delay } from "node:timers/promises";
import type { Site } from "./site.ts";

const LOOK_EVERY_MS = 100;

interface Stored {
  readonly bytes: number;
  readonly files: number;
}

/** Room is given back when an answer has been sent, which its client may hear of before. */
const GIVEN_BACK_WITHIN_MS = 5_000;

/** C5: what the product says is used is the sum over the files that it has, and nothing is reserved. Only where nothing is under way. */
export async function checkUsage(site: Site): Promise<string[]> {
  const { database } = site;
  const deadline = performance.now() + GIVEN_BACK_WITHIN_MS;
  let usage = await readUsage(site);
  while (usage.reserved.bytes + usage.reserved.files > 0 && performance.now() < deadline) {
    await delay(LOOK_EVERY_MS);
    usage = await readUsage(site);
  }
  const { used, reserved } = usage;
  const [stored] = await database.query<Stored>(`
    SELECT coalesce(sum(size_bytes), 0)::float8 AS bytes, count(*)::int AS files
    FROM filemill.files WHERE status IN ('stored', 'quarantined') AND origin <> 'intermediate'`);
  const isExact = used.bytes === stored?.bytes && used.files === stored.files;
  const isFree = reserved.bytes + reserved.files === 0;
  return [
    isExact ? [] : [`C5: ${used.files} files of ${used.bytes} bytes are counted, ${stored?.files} of ${stored?.bytes} bytes are there`],
    isFree ? [] : [`C5: room for ${reserved.files} files of ${reserved.bytes} bytes is reserved, and nothing is under way`],
  ].flat();
}

async function readUsage({ url, key }: Site): Promise<{ used: Stored; reserved: Stored }> {
  const answer = await fetch(`${url}/api/v1/usage`, { headers: { authorization: `Bearer ${key}` } });
  if (answer.status !== 200) throw new Error(`C5: usage answers ${answer.status}`);
  return (await answer.json()) as { used: Stored; reserved: Stored };
}
