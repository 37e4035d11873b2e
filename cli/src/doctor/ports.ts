import { connect } from "@filemill/sdk/client.ts";
import { serverUrl, type Context } from "../context.ts";
import type { Finding } from "./finding.ts";
import { reach } from "./reach.ts";

const TIMEOUT_MS = 5_000;

/** Are the ports free that `npm start` will take, or is it Filemill that has them? */
export async function ports(context: Context): Promise<Finding> {
  const api = Number(context.environment["FILEMILL_PORT"] || 8080);
  const metrics = Number(context.environment["FILEMILL_METRICS_PORT"] || 9100);
  const url = serverUrl(context);
  const runs = (await connect({ url }).ready(AbortSignal.timeout(TIMEOUT_MS))).ready;
  const ours = runs && new URL(url).port === String(api);
  const [apiTaken, metricsTaken] = await Promise.all([reach("127.0.0.1", api), reach("127.0.0.1", metrics)]);
  const state = (taken: boolean) => (!taken ? "free" : ours ? "in use by Filemill" : "in use");
  const found = `${api} (API) ${state(apiTaken)}, ${metrics} (metrics) ${state(metricsTaken)}`;
  if (ours || !(apiTaken || metricsTaken)) return { ok: true, found };
  const variables = [...(apiTaken ? ["FILEMILL_PORT"] : []), ...(metricsTaken ? ["FILEMILL_METRICS_PORT"] : [])];
  return { ok: false, found, advice: `Stop the program that has the port, or set ${variables.join(" and ")} to a free one.` };
}
