/**
 * What makes a query's result depend on more than its table: the time, chance, or the session. Words, wherever they stand: a
 * column of such a name costs a cached result, nothing else. The test asks DuckDB for all functions that are not constant.
 */
const WORDS =
  /\b(?:pg_\w+|ago|(?:get_)?current_\w+|now|today|transaction_timestamp|txid_current|local(?:time|timestamp)|age|in_search_path|currval|nextval|gen_random_uuid|uuid\w*|random|setseed|sleep_ms|stats|write_log|(?:table)?sample|session_user|user)\b/i;

export function dependsOnMore(sql: string): boolean {
  return WORDS.test(sql);
}
