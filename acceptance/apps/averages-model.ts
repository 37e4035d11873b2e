import type { Client } from "@filemill/sdk/client.ts";

/** The averages of texts of whole numbers, place by place, by the plainest way there is. */
export function averagesOf(files: readonly string[]): string {
  const rows = files.map((file) => file.trim().split(" ").map(Number));
  const sums = (rows[0] ?? []).map((_number, place) => rows.reduce((sum, row) => sum + (row[place] ?? Number.NaN), 0));
  return sums.map((sum) => String(sum / files.length)).join(" ");
}

/** Tasks of a job that sum. */
export async function treeTasks(platform: Client, jobId: string): Promise<number> {
  return (await kindsOf(platform, jobId)).filter((kind) => kind === "tree").length;
}

export async function tasksOf(platform: Client, jobId: string): Promise<number> {
  return (await kindsOf(platform, jobId)).length;
}

async function kindsOf(platform: Client, jobId: string): Promise<string[]> {
  return (await Array.fromAsync(platform.jobs.tasks(jobId, { limit: 1_000 }))).map(({ kind }) => kind);
}
