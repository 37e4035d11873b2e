import { Readable } from "node:stream";
import type { Client } from "@filemill/sdk/client.ts";
import type { FastifyInstance } from "fastify";
import { UNKNOWN } from "./status.ts";
import { findJob, STAGES } from "./thumbnail-job.ts";

/** A thumbnail never changes, and its address says whose it is. */
const CACHE = "private, max-age=31536000, immutable";

/** GET /thumbnail/:file_id: the JPEG; 404 with the stage, and where it failed the reason, while there is none. */
export function thumbnailRoute(app: FastifyInstance, client: Client): void {
  app.get<{ Params: { file_id: string } }>("/thumbnail/:file_id", async (request, reply) => {
    const { file_id } = request.params;
    const job = await findJob(client, file_id);
    if (job === undefined) return reply.code(400).send({ result: UNKNOWN, file_id });
    const [output] = job.output_files;
    if (job.status !== "completed" || output === undefined) {
      const reason = job.status === "failed" ? await whyFailed(client, job.id) : undefined;
      return reply.code(404).send({ result: STAGES[job.status], file_id, ...(reason !== undefined && { reason }) });
    }
    const { body } = await client.files.content(output.id);
    return reply
      .headers({ "content-type": "image/jpeg", "content-length": output.size, etag: `"${output.sha256}"`, "cache-control": CACHE })
      .send(body ? Readable.fromWeb(body) : Buffer.alloc(0));
  });
}

async function whyFailed(client: Client, jobId: string): Promise<string | undefined> {
  const { data } = await client.jobs.items(jobId, { status: "dead" }).page();
  return data[0]?.error?.message;
}
