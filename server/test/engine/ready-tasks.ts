import { v7 as uuidv7 } from "uuid";
import type { Database } from "../../src/db/database.ts";
import { insertTasks } from "../../src/queue/insert-tasks.ts";
import type { NewTask } from "../../src/queue/task.ts";

export interface ReadyTasks {
  readonly tenantId: string;
  readonly count: number;
  readonly lane?: string;
  readonly priority?: number;
  /** Entries a task. */
  readonly items?: number;
}

/** Puts ready map tasks straight into the queue, of one job that nobody asked for; their ids in order. */
export async function readyTasks(
  database: Database,
  { tenantId, count, lane = "default", priority = 0, items = 1 }: ReadyTasks,
): Promise<string[]> {
  const jobId = uuidv7();
  const tasks = Array.from({ length: count }, (_unused, index): NewTask => {
    const entries = Array.from({ length: items }, (_none, place) => ({
      ordinal: index * items + place,
      parent: -1,
      fileId: uuidv7(),
      from: "",
    }));
    return { tenantId, jobId, stage: 0, kind: "map", lane, priority, maxAttempts: 3, entries };
  });
  return await database.asSystem((transaction) => insertTasks(transaction, tasks));
}
