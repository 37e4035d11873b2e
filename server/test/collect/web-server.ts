import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";

/** An HTTP server on 127.0.0.1 that answers as the test says, and remembers what it was asked. */
export interface WebServer {
  readonly url: string;
  readonly asked: { readonly path: string; readonly headers: IncomingMessage["headers"] }[];
  close(): Promise<void>;
}

export async function startWebServer(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<WebServer> {
  const asked: WebServer["asked"] = [];
  const server = createServer((request, response) => {
    asked.push({ path: request.url ?? "", headers: request.headers });
    answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`,
    asked,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
