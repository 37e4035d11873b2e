import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine, succeed, type Engine } from "../../test/engine/engine.ts";
import { ONE_MAP } from "../../test/engine/plans.ts";
import { openServerAge, type ServerAge } from "../../test/engine/server-age.ts";
import { sql } from "../db/sql.ts";
import { claimNextJob } from "./claim-next-job.ts";
import { reapExpired } from "./reap.ts";
import { adoptReservation, giveBackReservation, reserveNextJob, type Reservation } from "./reserve-job.ts";

let clone: ClonedDatabase;
let engine: Engine;
let server: ServerAge;
let jobId: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  server = await openServerAge(clone);
});
beforeEach(async () => {
  await engine.rows(sql`DELETE FROM tasks`);
  await engine.rows(sql`DELETE FROM job_holds`);
  const tenantId = await engine.tenant();
  jobId = await engine.submit(tenantId, ONE_MAP, await engine.files(tenantId, 2));
});
afterAll(() => clone.close());

async function reserve(): Promise<Reservation> {
  const token = uuidv7();
  const reservation = await engine.database.asSystem((transaction) => reserveNextJob(transaction, { token, lanes: ["default"] }));
  if (!reservation) throw new Error("there is nothing to reserve");
  return reservation;
}

const adopt = (reservation: Reservation, workerId = uuidv7()) =>
  engine.database.asSystem((transaction) => adoptReservation(transaction, reservation, workerId));
const next = () =>
  engine.database.asSystem((transaction) => claimNextJob(transaction, { workerId: uuidv7(), lanes: ["default"], want: 1 }));
const tasks = () => engine.rows(sql`SELECT status, epoch, attempts, losses FROM tasks WHERE job_id = ${jobId}::uuid`);
/** Sets the database's clock forward, as far as this job's leases go. */
async function pass(seconds: number): Promise<void> {
  await engine.rows(sql`UPDATE tasks SET lease_until = lease_until - ${seconds} * interval '1 second' WHERE status = 'running'`);
  await engine.rows(sql`UPDATE job_holds SET held_until = held_until - ${seconds} * interval '1 second'`);
}
const reap = () => server.asSystem(reapExpired);

test("ten at once for one job: one reserves it, and nobody else gets it", async () => {
  const tokens = await Promise.allSettled(Array.from({ length: 10 }, reserve));
  expect(tokens.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect(await engine.claim()).toEqual([]);
  expect(await next()).toBeUndefined();
});

test("ten that adopt it at once: one has it, under a new epoch", async () => {
  const reservation = await reserve();
  const claims = await Promise.all(Array.from({ length: 10 }, () => adopt(reservation)));
  const had = claims.flatMap((claim) => claim ?? []);
  expect(had).toHaveLength(1);
  expect(had[0]).toMatchObject({ jobId, runStages: [], tasks: [{ epoch: 2, losses: 0, attempts: 0 }] });
});

test("a late second adopter finds nothing, also when the job was done, or is free again", async () => {
  const reservation = await reserve();
  const workerId = uuidv7();
  const claim = await adopt(reservation, workerId);
  expect(await adopt(reservation)).toBeUndefined();
  await pass(20);
  await reap();
  expect(await adopt(reservation)).toBeUndefined();
  const again = await engine.claim({ workerId });
  expect(await engine.settle(claim?.tasks ?? [], succeed(engine), workerId)).toEqual(new Set());
  await engine.settle(again, succeed(engine), workerId);
  expect(await adopt(reservation)).toBeUndefined();
});

test("not adopted, it is kept for 5 minutes and then given back, which costs neither attempt nor loss", async () => {
  for (let round = 1; round <= 6; round++) {
    const reservation = await reserve();
    await pass(295);
    await reap();
    expect(await tasks()).toEqual([{ status: "running", epoch: round, attempts: 0, losses: -1 }]);
    await pass(6);
    expect(await adopt(reservation)).toBeUndefined();
    await reap();
    expect(await tasks()).toEqual([{ status: "ready", epoch: round, attempts: 0, losses: 0 }]);
  }
  expect(await next()).toMatchObject({ jobId });
});

test("a worker that adopted it and died has lost it once", async () => {
  await adopt(await reserve());
  await pass(20);
  await reap();
  expect(await tasks()).toEqual([{ status: "ready", epoch: 2, attempts: 0, losses: 1 }]);
});

test("given back, it is another's at once", async () => {
  const reservation = await reserve();
  const lanes = await engine.database.asSystem((transaction) => giveBackReservation(transaction, reservation));
  expect(lanes).toEqual(new Set(["default"]));
  expect(await tasks()).toEqual([{ status: "ready", epoch: 1, attempts: 0, losses: 0 }]);
  expect(await next()).toMatchObject({ jobId });
});
