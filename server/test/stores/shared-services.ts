import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { startRadosgw, type Radosgw } from "./radosgw.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Where suites ask for servers that they share; see shared-radosgw.ts. */
    sharedServices: string;
  }
}

/**
 * Servers that several suites use and that take long to start: the first suite that asks starts one, the end of the run
 * stops it, and a run in which nobody asks pays nothing.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "filemill-radosgw-"));
  let radosgw: Promise<Radosgw> | undefined;
  const server = createServer(async (_request, response) => {
    try {
      const { endpoint, accessKeyId, secretAccessKey } = await (radosgw ??= startRadosgw(folder));
      response.end(JSON.stringify({ endpoint, accessKeyId, secretAccessKey }));
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  project.provide("sharedServices", `http://127.0.0.1:${address.port}`);
  return async () => {
    server.close();
    server.closeAllConnections();
    await radosgw?.then(
      (started) => started.stop(),
      () => undefined,
    );
    await rm(folder, { recursive: true, force: true });
  };
}
