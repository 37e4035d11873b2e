import { Readable } from "node:stream";
import { v7 as uuidv7 } from "uuid";
import type { FastifyPluginAsync } from "fastify";
import { checkDatabase, createReadiness } from "../../status/readiness.ts";
import type { Services } from "../services.ts";

/** At the root: is the process alive, can it work, and what does it measure. Only /metrics asks for a key. */
export function systemRoutes({ database, store, metrics }: Services): FastifyPluginAsync {
  const readiness = createReadiness({ database: () => checkDatabase(database), store: () => checkStore(store) });
  return async (app) => {
    app.get("/healthz", { config: { open: true }, schema: { summary: "Is the process alive?", tags: ["system"] } }, async () => ({
      status: "ok",
    }));

    app.get(
      "/readyz",
      { config: { open: true }, schema: { summary: "Can it take requests? 503 when not", tags: ["system"] } },
      async (_request, reply) => {
        const { ready, checks } = await readiness();
        return reply
          .code(ready ? 200 : 503)
          .header("cache-control", "no-store")
          .send({ status: ready ? "ready" : "not ready", checks });
      },
    );

    app.get(
      "/metrics",
      { config: { role: "operator" }, schema: { summary: "Measurements, as Prometheus reads them", tags: ["system"] } },
      async (_request, reply) => {
        return reply.type(metrics.contentType).send(await metrics.render());
      },
    );
  };
}

/** Any tenant's keys start with its id; this one belongs to nobody. */
const PROBE_FOLDER = "00000000-0000-0000-0000-000000000000";

/** Writes, and removes, one byte. */
async function checkStore(store: Services["store"]): Promise<string> {
  const key = `${PROBE_FOLDER}/${uuidv7()}/0/0`;
  await store.put(key, Readable.from([Buffer.from("1")]), { signal: AbortSignal.timeout(2_000) });
  await store.delete(key);
  return "writable";
}
