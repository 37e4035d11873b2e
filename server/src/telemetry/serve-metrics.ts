import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Metrics } from "./metrics.ts";

export interface MetricsServer {
  /** The port it got, where it was asked for 0. */
  readonly port: number;
  close(): Promise<void>;
}

/** Serves GET /metrics and GET /healthz for a process without an API. Rejects with EADDRINUSE where the port is taken. */
export async function serveMetrics(
  metrics: Pick<Metrics, "contentType" | "render">,
  port: number,
  host = "127.0.0.1",
): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split("?")[0];
    if (request.method !== "GET" && request.method !== "HEAD") response.writeHead(405, { allow: "GET, HEAD" }).end();
    else if (path === "/healthz") response.writeHead(200, { "content-type": "text/plain" }).end("ok\n");
    else if (path !== "/metrics") response.writeHead(404).end();
    else {
      metrics.render().then(
        (text) => response.writeHead(200, { "content-type": metrics.contentType }).end(text),
        () => response.writeHead(500).end(),
      );
    }
  });
  server.listen(port, host);
  await once(server, "listening");
  return {
    // A server on TCP has an address with a port.
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
