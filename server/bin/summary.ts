import type { Config } from "../src/config.ts";
import type { Bootstrap } from "../src/tenants/bootstrap.ts";

export interface StartedPlatform {
  readonly config: Config;
  readonly port: number;
  /** undefined: nobody serves them. */
  readonly metricsPort: number | undefined;
  readonly first: Bootstrap;
  readonly sandbox: string;
}

/** What `npm start` prints when everything runs. */
export function summary({ config, port, metricsPort, first, sandbox }: StartedPlatform): string {
  const address = addressOf(config, port);
  const lines = [
    "",
    `Filemill runs at   ${address}`,
    `API browser        ${address}/docs`,
    `API key            ${keyLine(config, first)}`,
    `Data folder        ${config.dataFolder}`,
    `Database           ${config.database.url === undefined ? "embedded PostgreSQL" : "FILEMILL_DATABASE_URL"}`,
    `Workers            ${config.workers.count}, ${config.workers.slots} tasks at once each, lanes ${config.workers.lanes.join(", ")}`,
  ];
  if (metricsPort !== undefined) lines.push(`Workers' metrics   http://127.0.0.1:${metricsPort}/metrics`);
  if (config.workers.count > 0) lines.push(`Sandbox            ${sandbox}`);
  if (first.newKey !== undefined) {
    lines.push("", "This is the first API key. It is shown this once:", `  ${first.newKey}`);
  }
  return [...lines, "", "Ctrl-C stops everything.", ""].join("\n");
}

/** Where people on this machine reach the API. */
export function addressOf({ http }: Config, port: number): string {
  return http.publicUrl ?? `http://${http.host === "0.0.0.0" || http.host === "::" ? "127.0.0.1" : http.host}:${port}`;
}

function keyLine(config: Config, { keyFile }: Bootstrap): string {
  if (config.bootstrapKey !== undefined) return "as FILEMILL_BOOTSTRAP_KEY says";
  return keyFile ?? "made earlier; its file is not there any more. FILEMILL_BOOTSTRAP_KEY lets in a new one";
}
