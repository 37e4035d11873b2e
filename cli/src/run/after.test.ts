import { expect, test } from "vitest";
import { afterOf } from "./after.ts";

test.each([
  [{}, {}],
  [{ after: ["job_a", "job_b"] }, { after: ["job_a", "job_b"] }],
  [
    { after: ["job_a"], afterFinished: true },
    { after: ["job_a"], after_policy: "finished" },
  ],
  [{ inputsFrom: ["job_a", "job_b:small,all"] }, { inputs_from: [{ job: "job_a" }, { job: "job_b", steps: ["small", "all"] }] }],
])("%j asks for %j", (options, request) => {
  expect(afterOf(options)).toEqual(request);
});
