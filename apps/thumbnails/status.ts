import type { Client } from "@filemill/sdk/client.ts";
import type { FastifyInstance } from "fastify";
import { findJob, STAGES } from "./thumbnail-job.ts";

export const UNKNOWN = "ID NOT FOUND !!";

/** GET /queryFileStatus/:file_id. */
export function statusRoute(app: FastifyInstance, client: Client): void {
  app.get<{ Params: { file_id: string } }>("/queryFileStatus/:file_id", async (request, reply) => {
    const { file_id } = request.params;
    const job = await findJob(client, file_id);
    if (job === undefined) return reply.code(400).send({ result: UNKNOWN, file_id });
    return { result: STAGES[job.status], file_id };
  });
}
