import pg from "pg";

const PROBE_EVERY_MS = 10_000;
/** A server that is there answers a goodbye by closing, in milliseconds. */
const GOODBYE_MS = 1_000;

/**
 * A connection that stays open and mostly hears. Nothing is sent on it for hours, so that a server that went away without
 * a word would never be missed, and TCP's keepalive sees no further than the next proxy: a question every 10 s does. One
 * that gets no answer within the connection's query_timeout ends it, with the events "error" and "end". Rejects where it
 * can't be opened.
 */
export async function openDedicated(
  config: pg.ClientConfig,
  every: { readonly probeMs: number } = { probeMs: PROBE_EVERY_MS },
): Promise<pg.Client> {
  const client = new pg.Client(config);
  await client.connect();
  closeInTime(client);
  let asking = false;
  const timer = setInterval(() => {
    if (asking) return;
    asking = true;
    void probe(client).then(() => {
      asking = false;
    });
  }, every.probeMs);
  timer.unref();
  client.once("end", () => clearInterval(timer));
  return client;
}

async function probe(client: pg.Client): Promise<void> {
  try {
    await client.query("SELECT 1");
  } catch (error) {
    client.connection.stream.destroy(error instanceof Error ? error : undefined);
  }
}

/** Ends a connection whose goodbye is not answered, so that closing never takes longer than a second. */
export function closeInTime(client: pg.Client): void {
  const { stream } = client.connection;
  stream.once("finish", () => {
    const timer = setTimeout(() => stream.destroy(), GOODBYE_MS);
    stream.once("close", () => clearTimeout(timer));
  });
}
