import type { Site } from "./site.ts";

interface Stored {
  readonly bytes: number;
  readonly files: number;
}

/** C5: what the product says is used is the sum over the files that it has. Only where nothing is under way. */
export async function checkUsage({ url, key, database }: Site): Promise<string[]> {
  const answer = await fetch(`${url}/api/v1/usage`, { headers: { authorization: `Bearer ${key}` } });
  if (answer.status !== 200) return [`C5: usage answers ${answer.status}`];
  const { used } = (await answer.json()) as { used: Stored };
  const [stored] = await database.query<Stored>(`
    SELECT coalesce(sum(size_bytes), 0)::float8 AS bytes, count(*)::int AS files
    FROM filemill.files WHERE status IN ('stored', 'quarantined') AND origin <> 'intermediate'`);
  if (used.bytes === stored?.bytes && used.files === stored.files) return [];
  return [`C5: ${used.files} files of ${used.bytes} bytes are counted, ${stored?.files} of ${stored?.bytes} bytes are there`];
}
