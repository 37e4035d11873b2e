import { expect } from "vitest";
import { ask } from "./start-platform.ts";

interface Where {
  readonly dataFolder: string;
  readonly address: string | undefined;
}

/** Uploads one small text and starts an inline pipeline with these steps over it; gives the job's id. */
export async function submitText(where: Where, steps: Record<string, unknown>, text = "one two three\n"): Promise<string> {
  const form = new FormData();
  form.append("pipeline", JSON.stringify({ name: "sample", steps }));
  form.append("file", new Blob([text], { type: "text/plain" }), "sample.txt");
  const answer = await ask(where, "/api/v1/files", { method: "POST", body: form });
  const body: unknown = await answer.json();
  expect(answer.status, JSON.stringify(body)).toBe(202);
  expect(body).toMatchObject({ job_id: expect.stringMatching(/^job_/) });
  return textOf(body, "job_id");
}

export async function jobStatus(where: Where, jobId: string): Promise<string> {
  return textOf(await (await ask(where, `/api/v1/jobs/${jobId}`)).json(), "status");
}

function textOf(body: unknown, name: string): string {
  return String(typeof body === "object" && body !== null ? Reflect.get(body, name) : undefined);
}
