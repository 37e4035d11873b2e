import fc from "fast-check";
import { afterAll, beforeAll, test } from "vitest";
import { sql } from "../../src/db/sql.ts";
import { cloneDatabase, type ClonedDatabase } from "../database.ts";
import { openEngine, type Engine } from "../engine/engine.ts";
import { openServerAge, type ServerAge } from "../engine/server-age.ts";
import { checkEnds, checkInvariants } from "./engine-model-invariants.ts";
import { MODEL_PLANS } from "./engine-model.ts";
import { openWorld, type World } from "./engine-model-world.ts";

// Random commands against the real SQL, with an account kept beside it. FC_SEED replays a run, FC_RUNS makes more of them.
const seed = Number(process.env["FC_SEED"] ?? Date.now() % 1_000_000_000);
const numRuns = Number(process.env["FC_RUNS"] ?? 30);
const isNightly = process.env["FC_RUNS"] !== undefined;

let clone: ClonedDatabase;
let engine: Engine;
let server: ServerAge;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  server = await openServerAge(clone);
});
afterAll(() => clone.close());

const WORKERS = [1, 2, 3].map((number) => `00000000-0000-4000-8000-00000000000${number}`);

/** Nothing here looks at the world while it is made: numbers are indexes into whatever is there when the command runs. */
type Command =
  | { readonly type: "submit"; readonly plan: number; readonly inputs: number }
  | { readonly type: "claim"; readonly worker: number; readonly want: number }
  | {
      readonly type: "settle";
      readonly picks: readonly number[];
      readonly failing: number;
      readonly failure: "crashed" | "timeout" | "bad_input";
    }
  | { readonly type: "crash"; readonly pick: number; readonly culprit: number | undefined }
  | { readonly type: "expire"; readonly picks: readonly number[]; readonly reap: boolean }
  | { readonly type: "release"; readonly pick: number }
  | { readonly type: "cancel" | "retry"; readonly job: number }
  | { readonly type: "skip backoffs" };

const index = fc.nat(1_000);
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ type: fc.constant("submit" as const), plan: index, inputs: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 5, arbitrary: fc.record({ type: fc.constant("claim" as const), worker: index, want: fc.integer({ min: 1, max: 9 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("settle" as const),
      picks: fc.array(index, { minLength: 1, maxLength: 5 }),
      // One entry in `failing` fails; 0 = none.
      failing: fc.constantFrom(0, 0, 1, 2, 3),
      failure: fc.constantFrom("crashed" as const, "timeout" as const, "bad_input" as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("crash" as const), pick: index, culprit: fc.option(fc.nat(11), { nil: undefined }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("expire" as const),
      picks: fc.array(index, { minLength: 1, maxLength: 4 }),
      reap: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("release" as const), pick: index }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom("cancel" as const, "retry" as const, "retry" as const), job: index }) },
  { weight: 1, arbitrary: fc.constant({ type: "skip backoffs" as const }) },
);

const at = <T>(list: readonly T[], number: number): T[] =>
  list.slice(number % Math.max(1, list.length), (number % Math.max(1, list.length)) + 1);

async function run(world: World, one: Command): Promise<void> {
  // The newest beliefs are the likeliest to be true; the rest of them are zombies.
  const recent = world.beliefs.toReversed();
  const pick = (number: number) => at(number % 4 === 0 ? recent : recent.slice(0, 12), number);
  if (one.type === "submit") for (const plan of at(MODEL_PLANS, one.plan)) await world.submit(plan, one.inputs);
  if (one.type === "claim") for (const worker of at(WORKERS, one.worker)) await world.claim(worker, one.want);
  if (one.type === "settle") {
    let entries = 0;
    await world.succeed(one.picks.flatMap(pick), () => (one.failing > 0 && entries++ % one.failing === 0 ? one.failure : undefined));
  }
  if (one.type === "crash") for (const belief of pick(one.pick)) await world.crash(belief, one.culprit);
  if (one.type === "expire") {
    await world.expire(one.picks.flatMap(pick).map(({ task }) => task.id));
    if (one.reap) await world.reap();
  }
  if (one.type === "release") for (const belief of pick(one.pick)) await world.release(belief);
  if (one.type === "cancel") for (const job of at(world.jobs, one.job)) await world.cancel(job);
  if (one.type === "retry") for (const job of at(world.jobs, one.job)) await world.retry(job);
  if (one.type === "skip backoffs") await engine.skipBackoffs();
}

/** Lets everybody who is left behind lose their tasks, retries what is dead and does all work well. */
async function finish(world: World): Promise<void> {
  await engine.rows(sql`UPDATE tasks SET lease_until = now() - interval '1 ms' WHERE status = 'running'`);
  await world.reap();
  for (let round = 0; round < 200; round++) {
    await engine.skipBackoffs();
    const claimed = await world.claim(WORKERS[0] ?? "", 64);
    await world.succeed(claimed);
    if (claimed.length > 0) continue;
    const failed = await engine.rows<{ id: string }>(sql`SELECT id FROM jobs WHERE status = 'failed'`);
    if (failed.length === 0) return;
    for (const job of world.jobs) if (failed.some(({ id }) => id === job.id)) await world.retry(job);
  }
  throw new Error("the work does not end");
}

test(
  `whatever workers, users and the reaper do, nothing is lost, doubled or taken from a zombie (FC_SEED=${seed})`,
  async () => {
    const commands = fc.array(command, { minLength: 20, maxLength: 60, size: "max" });
    await fc.assert(
      fc.asyncProperty(commands, async (list) => {
        await engine.rows(sql`DELETE FROM tasks`);
        await engine.rows(sql`DELETE FROM task_inputs`);
        await engine.rows(sql`DELETE FROM jobs`);
        const world = openWorld(engine, server, [
          await engine.tenant(),
          await engine.tenant({ weight: 3 }),
          await engine.tenant({ maxRunning: 4 }),
        ]);
        for (const plan of at(MODEL_PLANS, list.length)) await world.submit(plan, 7);
        for (const one of list) {
          await run(world, one);
          await checkInvariants(engine, world);
        }
        await finish(world);
        await checkInvariants(engine, world);
        await checkEnds(engine, world);
      }),
      { seed, numRuns, ...(isNightly ? {} : { interruptAfterTimeLimit: 15_000, markInterruptAsFailure: false }) },
    );
  },
  isNightly ? 3_600_000 : 120_000,
);
