import { Agent as HttpAgent, type AgentOptions } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { freeReads } from "./free-reads.ts";

/** Connections to one store, kept alive, and what went over them. */
export interface Agents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
  /** Bytes sent and received so far: as long as they grow, somebody is there. */
  moved(): number;
  close(): void;
}

/** A store that does not answer a SYN for so long is not there; SYN is sent again after 1 s. */
const CONNECT_WITHIN_MS = 1_200;
const IDLE_FOR_MS = 15_000;

export function createAgents({ maxSockets = 64 } = {}): Agents {
  const sockets = new Set<Socket>();
  let before = 0;

  function watch(made: Duplex | null | undefined): void {
    const socket = made as Socket | null | undefined; // Agents of node:http and node:https make nothing else.
    if (socket === null || socket === undefined) return;
    sockets.add(socket);
    freeReads(socket);
    const timer = setTimeout(() => socket.destroy(new Error(`no connection within ${CONNECT_WITHIN_MS} ms`)), CONNECT_WITHIN_MS);
    socket.once("connect", () => clearTimeout(timer));
    socket.once("close", () => {
      clearTimeout(timer);
      sockets.delete(socket);
      before += socket.bytesRead + socket.bytesWritten;
    });
  }

  const options: AgentOptions = { keepAlive: true, maxSockets, maxFreeSockets: 16, timeout: 0, keepAliveMsecs: IDLE_FOR_MS };
  const watched = <A extends HttpAgent>(agent: A): A => {
    const create = agent.createConnection.bind(agent);
    agent.createConnection = (given, callback) => {
      const socket = create(given, callback);
      watch(socket);
      return socket;
    };
    return agent;
  };
  const http = watched(new HttpAgent(options));
  const https = watched(new HttpsAgent(options));
  return {
    http,
    https,
    moved: () => [...sockets].reduce((sum, socket) => sum + socket.bytesRead + socket.bytesWritten, before),
    close() {
      http.destroy();
      https.destroy();
    },
  };
}
