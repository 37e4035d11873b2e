import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** A real HTTP server that counts who connects. */
export interface Origin {
  readonly server: Server;
  readonly port: number;
  readonly connections: () => number;
  close(): Promise<void>;
}

export async function startOrigin(listener: RequestListener, host = "127.0.0.1", port = 0): Promise<Origin> {
  const server = createServer(listener);
  let connections = 0;
  server.on("connection", () => connections++);
  server.listen(port, host);
  await once(server, "listening");
  return {
    server,
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
