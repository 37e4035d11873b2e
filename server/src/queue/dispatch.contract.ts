import { v7 as uuidv7 } from "uuid";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { sql } from "../db/sql.ts";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine, type Engine } from "../../test/engine/engine.ts";
import { readyTasks } from "../../test/engine/ready-tasks.ts";
import type { Dispatch } from "./dispatch.ts";
import type { ClaimedTask } from "./task.ts";

export interface OpenDispatch {
  readonly clone: ClonedDatabase;
  readonly workerId: string;
  readonly lanes: readonly string[];
}

export interface DispatchContract {
  /** A dispatch that can take and be told at once; called again for each worker. */
  readonly open: (options: OpenDispatch) => Promise<Dispatch>;
  /** Within how many ms wait() must end of itself. */
  readonly floorMs: number;
  /** Does an announcement of one worker wake others? Where not, they find the work at the floor. */
  readonly wakesOthers: boolean;
}

/** A wait that ended this fast was not ended by any floor. */
const AT_ONCE_MS = 100;

/** A wait that lasts this long was not ended by an announcement. */
const QUIET_MS = 300;

/** What every way of handing out promises: announcements are hints, and only the claim decides. */
export function dispatchContract(name: string, { open, floorMs, wakesOthers }: DispatchContract): void {
  describe(`dispatch contract: ${name}`, () => {
    let clone: ClonedDatabase;
    let engine: Engine;
    let tenantId: string;
    const opened: Dispatch[] = [];
    const never = new AbortController().signal;

    beforeAll(async () => {
      clone = await cloneDatabase();
      engine = openEngine(clone.database);
    });
    // Rejects where a connection was left open.
    afterAll(() => clone.close());
    beforeEach(async () => {
      await engine.rows(sql`DELETE FROM tasks`);
      tenantId = await engine.tenant();
    });
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((dispatch) => dispatch.close()));
    });

    async function worker(lanes: readonly string[] = ["default"], workerId = uuidv7()): Promise<Dispatch> {
      const dispatch = await open({ clone, workerId, lanes });
      opened.push(dispatch);
      return dispatch;
    }

    /** Takes until `count` tasks are there, waiting in between as a worker does. */
    async function takeAll(dispatch: Dispatch, count: number): Promise<ClaimedTask[]> {
      const tasks: ClaimedTask[] = [];
      while (tasks.length < count) {
        const taken = await dispatch.take(16);
        tasks.push(...taken);
        if (taken.length === 0) await dispatch.wait(never);
      }
      return tasks;
    }

    async function timed(work: Promise<unknown>): Promise<number> {
      const started = performance.now();
      await work;
      return performance.now() - started;
    }

    /** Lets what came with the start (a first look, say) pass, so that the next wait ends for a reason of the test. */
    async function settled(dispatch: Dispatch): Promise<void> {
      while ((await timed(dispatch.wait(AbortSignal.timeout(QUIET_MS)))) < AT_ONCE_MS) await dispatch.take(1);
    }

    /** Waits for a while that is shorter than the floor of those that are woken. */
    const isWoken = async (dispatch: Dispatch) => (await timed(dispatch.wait(AbortSignal.timeout(QUIET_MS)))) < AT_ONCE_MS;

    test("announced tasks are taken once each by workers that share them, and come back claimed", async () => {
      const [first, second] = [await worker(), await worker()];
      const ids = await readyTasks(clone.database, { tenantId, count: 60 });
      first.announce(["default"]);
      const taken: ClaimedTask[] = [];
      const run = async (dispatch: Dispatch) => {
        while (taken.length < 60) {
          taken.push(...(await dispatch.take(7)));
          if (taken.length < 60) await dispatch.wait(AbortSignal.timeout(50));
        }
      };
      await Promise.all([run(first), run(second)]);
      expect(taken.map((task) => task.id).toSorted()).toEqual(ids.toSorted());
      expect(new Set(taken.map((task) => task.epoch))).toEqual(new Set([1]));
    });

    test("take never gives more than it was asked for", async () => {
      const dispatch = await worker(["default", "heavy"]);
      for (const lane of ["default", "heavy"]) await readyTasks(clone.database, { tenantId, count: 20, lane });
      dispatch.announce(["default", "heavy"]);
      for (let round = 0; round < 6; round++) expect((await dispatch.take(3)).length).toBeLessThanOrEqual(3);
    });

    test("doubled announcements, and announcements of nothing, are harmless", async () => {
      const dispatch = await worker();
      const ids = await readyTasks(clone.database, { tenantId, count: 3 });
      for (let round = 0; round < 20; round++) dispatch.announce(["default", "absent"]);
      expect((await takeAll(dispatch, 3)).map((task) => task.id).toSorted()).toEqual(ids.toSorted());
      dispatch.announce(["default"]);
      expect(await dispatch.take(16)).toEqual([]);
    });

    test("what no announcement told of is found within the floor", async () => {
      const dispatch = await worker();
      await settled(dispatch);
      await readyTasks(clone.database, { tenantId, count: 1 });
      const waited = await timed(takeAll(dispatch, 1));
      expect(waited).toBeLessThan(floorMs * 2 + 500);
    });

    test("a wait ends of itself at the floor, not before and not long after", async () => {
      const dispatch = await worker();
      await settled(dispatch);
      const waited = await timed(dispatch.wait(never));
      expect(waited).toBeGreaterThan(AT_ONCE_MS);
      expect(waited).toBeLessThan(floorMs + 5_000);
    });

    test("an announcement that came while nobody waited ends the next wait at once, and only that one", async () => {
      const dispatch = await worker();
      await settled(dispatch);
      dispatch.announce(["default"]);
      expect(await timed(dispatch.wait(never))).toBeLessThan(AT_ONCE_MS);
      await settled(dispatch);
      expect(await isWoken(dispatch)).toBe(false);
    });

    test("an announcement ends a wait that has begun", async () => {
      const dispatch = await worker();
      await settled(dispatch);
      const waiting = timed(dispatch.wait(never));
      dispatch.announce(["default"]);
      expect(await waiting).toBeLessThan(AT_ONCE_MS);
    });

    test("an announcement of a lane of others' does not end the wait", async () => {
      const dispatch = await worker();
      await settled(dispatch);
      dispatch.announce(["heavy"]);
      expect(await isWoken(dispatch)).toBe(false);
    });

    test(`an announcement wakes ${wakesOthers ? "all workers of its lane" : "the worker that gives it, and the others wake at the floor"}`, async () => {
      const [teller, listener] = [await worker(), await worker()];
      await settled(listener);
      const waiting = timed(listener.wait(never));
      teller.announce(["default"]);
      expect(await waiting).toBeLessThan(wakesOthers ? floorMs / 2 : floorMs + 500);
    });

    test("an abort ends a wait at once, also one that came before it", async () => {
      const dispatch = await worker();
      await settled(dispatch);
      const abort = new AbortController();
      const waiting = timed(dispatch.wait(abort.signal));
      abort.abort();
      expect(await waiting).toBeLessThan(AT_ONCE_MS);
      expect(await timed(dispatch.wait(abort.signal))).toBeLessThan(AT_ONCE_MS);
    });

    test("a full lane does not starve the other", async () => {
      const dispatch = await worker(["default", "heavy"]);
      await readyTasks(clone.database, { tenantId, count: 200, lane: "default" });
      await readyTasks(clone.database, { tenantId, count: 1, lane: "heavy" });
      dispatch.announce(["default", "heavy"]);
      const tasks = [...(await dispatch.take(4)), ...(await dispatch.take(4))];
      expect(tasks.filter((task) => task.lane === "heavy")).toHaveLength(1);
    });

    test("close is idempotent, and after it no connection is left", async () => {
      const workerId = uuidv7();
      const dispatch = await worker(["default"], workerId);
      await dispatch.take(1);
      await dispatch.close();
      await dispatch.close();
    });
  });
}
