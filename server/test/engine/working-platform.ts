import { cloneDatabase, type ClonedDatabase } from "../database.ts";
import { openEngine, type Engine } from "./engine.ts";
import { openPlatform, type Platform } from "./platform.ts";

export interface WorkingPlatform {
  readonly clone: ClonedDatabase;
  readonly engine: Engine;
  readonly platform: Platform;
  /** Of a tenant. */
  readonly tenantId: string;
  close(): Promise<void>;
}

/** A platform over a database of its own, with one worker and one tenant: for a whole test file. */
export async function openWorkingPlatform(): Promise<WorkingPlatform> {
  const clone = await cloneDatabase();
  const engine = openEngine(clone.database);
  const platform = await openPlatform(clone.database);
  await platform.worker();
  return {
    clone,
    engine,
    platform,
    tenantId: await engine.tenant(),
    async close() {
      await platform.close();
      await clone.close();
    },
  };
}
