import { decodeId } from "@filemill/contract/ids.ts";
import { z } from "zod";
import { notFound } from "../errors.ts";

export const JobParams = z.object({ id: z.string() });

/** The uuid in the id of a path. A text that is no id of a job answers as an id that is not there. */
export function jobId(text: string): string {
  const id = decodeId("job", text);
  if (id === undefined) throw notFound("job", text);
  return id;
}
