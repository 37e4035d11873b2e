import type { JobAccepted } from "@filemill/contract/jobs.ts";
import type { NextTimes, NextTimesRequest, ScheduleRequest, ScheduleResource } from "@filemill/contract/schedules.ts";
import { listOf, type List, type ListQuery } from "./pages.ts";
import type { Transport } from "./transport.ts";

/** Jobs that are made when a cron expression comes due. `schedule` is a name or an id. */
export interface Schedules {
  list(query?: ListQuery): List<ScheduleResource>;
  get(schedule: string): Promise<ScheduleResource>;
  /** Makes it, or replaces what it runs and when; due times that it owes stay owed while its times stay the same. */
  put(schedule: string, request: ScheduleRequest): Promise<ScheduleResource>;
  remove(schedule: string): Promise<void>;
  /** Lets due times pass. */
  pause(schedule: string): Promise<ScheduleResource>;
  resume(schedule: string): Promise<ScheduleResource>;
  /** Makes a job of it now. `idempotencyKey`: the same key gives the same job; random unless told. */
  run(schedule: string, options?: { idempotencyKey?: string | undefined }): Promise<JobAccepted>;
  /** When it comes due next, in UTC; 5 times unless told. */
  next(schedule: string, count?: number): Promise<string[]>;
  /** As next, of an expression that is not stored. */
  preview(request: NextTimesRequest): Promise<string[]>;
}

const SCHEDULES = "/api/v1/schedules";

export function schedulesOf(transport: Transport): Schedules {
  const one = (schedule: string) => `${SCHEDULES}/${encodeURIComponent(schedule)}`;
  return {
    list: (query) => listOf(transport, SCHEDULES, query),
    get: (schedule) => transport.json({ method: "GET", path: one(schedule) }),
    put: (schedule, request) => transport.json({ method: "PUT", path: one(schedule), json: request }),
    remove: (schedule) => transport.json({ method: "DELETE", path: one(schedule) }),
    pause: (schedule) => transport.json({ method: "POST", path: `${one(schedule)}/pause` }),
    resume: (schedule) => transport.json({ method: "POST", path: `${one(schedule)}/resume` }),
    run: (schedule, { idempotencyKey } = {}) =>
      transport.json({
        method: "POST",
        path: `${one(schedule)}/run`,
        headers: idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey },
      }),
    async next(schedule, count) {
      return (await transport.json<NextTimes>({ method: "GET", path: `${one(schedule)}/next`, query: { count } })).data;
    },
    async preview(request) {
      return (await transport.json<NextTimes>({ method: "POST", path: `${SCHEDULES}/next`, json: request })).data;
    },
  };
}
