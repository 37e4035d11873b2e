import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../db/database.ts";
import { openNotifier } from "../db/notifier.ts";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine, type Engine } from "../../test/engine/engine.ts";
import { readyTasks } from "../../test/engine/ready-tasks.ts";
import { dispatchContract, type OpenDispatch } from "./dispatch.contract.ts";
import type { Dispatch } from "./dispatch.ts";
import { openPostgresDispatch } from "./postgres-dispatch.ts";

async function open({ clone, workerId, lanes }: OpenDispatch, notify: boolean): Promise<Dispatch> {
  const notifier = openNotifier(clone.database, { enabled: notify });
  const dispatch = openPostgresDispatch({ database: clone.database, notifier, workerId, lanes, notify });
  return {
    ...dispatch,
    async close() {
      await dispatch.close();
      await notifier.close();
    },
  };
}

// The floors with their jitter of 25 % upwards.
dispatchContract("postgres, woken by NOTIFY", { open: (options) => open(options, true), floorMs: 2_500, wakesOthers: true });
dispatchContract("postgres, polling", { open: (options) => open(options, false), floorMs: 320, wakesOthers: false });

let clone: ClonedDatabase;
let engine: Engine;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
});
afterAll(() => clone.close());

test("what one lane gave is not lost when the claim of the next lane fails", async () => {
  const tenantId = await engine.tenant();
  for (const lane of ["one", "two"]) await readyTasks(clone.database, { tenantId, count: 1, lane });
  let claims = 0;
  /** The connection breaks under every second claim. */
  const breaking: Database = {
    ...clone.database,
    async asSystem(work) {
      claims += 1;
      if (claims % 2 === 0) throw new Error("Connection terminated unexpectedly");
      return await clone.database.asSystem(work);
    },
  };
  const notifier = openNotifier(clone.database, { enabled: false });
  const dispatch = openPostgresDispatch({ database: breaking, notifier, workerId: uuidv7(), lanes: ["one", "two"], notify: false });
  expect(await dispatch.take(8)).toHaveLength(1);
  // What broke is told with the next call, before anything else is claimed.
  await expect(dispatch.take(8)).rejects.toThrow("Connection terminated");
  expect(await dispatch.take(8)).toHaveLength(1);
  await expect(dispatch.take(8)).rejects.toThrow("Connection terminated");
  claims = 1;
  await expect(dispatch.take(8)).rejects.toThrow("Connection terminated");
  await dispatch.close();
  await notifier.close();
});
