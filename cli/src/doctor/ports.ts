import { connect } from "@filemill/sdk/client.ts";
import { serverUrl, type Context } from "../context.ts";
import { serverAddress, urlOf } from "../server-address.ts";
import type { Finding } from "./finding.ts";
import { reach } from "./reach.ts";

const TIMEOUT_MS = 5_000;

/** Are the ports free that `npm start` will take, or is it Filemill that has them? */
export async function ports(context: Context): Promise<Finding> {
  const { environment } = context;
  const address = serverAddress(environment);
  const metrics = Number(environment["FILEMILL_METRICS_PORT"] || 9100);
  const url = serverUrl(context);
  const { ready } = await connect({ url }).ready(AbortSignal.timeout(TIMEOUT_MS));
  if (ready && new URL(url).host !== new URL(urlOf(address)).host) return { ok: true, found: `not looked at: the platform runs at ${url}` };
  const [apiTaken, metricsTaken] = await Promise.all([reach(address.host, address.port), reach("127.0.0.1", metrics)]);
  const state = (taken: boolean) => (!taken ? "free" : ready ? "in use by Filemill" : "in use");
  const found = `${address.port} (API) ${state(apiTaken)}, ${metrics} (metrics) ${state(metricsTaken)}`;
  if (ready || !(apiTaken || metricsTaken)) return { ok: true, found };
  const variables = [...(apiTaken ? ["FILEMILL_PORT"] : []), ...(metricsTaken ? ["FILEMILL_METRICS_PORT"] : [])];
  return { ok: false, found, advice: `Stop the program that has the port, or set ${variables.join(" and ")} to a free one.` };
}
