import { once } from "node:events";
import type { Writable } from "node:stream";
import { HEARTBEAT } from "./message.ts";

/** One client of an event stream: never more than a megabyte waits for it. */
export interface ClientConnection {
  readonly open: boolean;
  /** Live: gives up on a client that reads too slowly (it comes back with its Last-Event-ID). */
  send(text: string): void;
  /** Replay: waits until the client has room. */
  sendPatiently(text: string): Promise<void>;
  /** Ends in order, behind what was sent. */
  end(): void;
}

export const MAX_WAITING_BYTES = 2 ** 20;
const HEARTBEAT_MS = 15_000;

export interface ConnectionOptions {
  /** Told once, however the connection ends. */
  readonly onClosed: () => void;
  /** How often something is said for its own sake; 15 s unless told, as proxies close what is silent for 30 to 60 s. */
  readonly heartbeatMs?: number;
}

export function createConnection(to: Writable, { onClosed, heartbeatMs = HEARTBEAT_MS }: ConnectionOptions): ClientConnection {
  let open = true;
  const heartbeat = setInterval(() => send(HEARTBEAT), heartbeatMs);

  function closed(): void {
    if (!open) return;
    open = false;
    clearInterval(heartbeat);
    onClosed();
  }

  function send(text: string): void {
    if (!open) return;
    to.write(text);
    if (to.writableLength <= MAX_WAITING_BYTES) return;
    closed();
    to.destroy();
  }

  to.once("close", closed);
  // A client that goes away in the middle of a write is not an error of ours; "close" follows.
  to.on("error", () => undefined);

  return {
    get open() {
      return open;
    },
    send,
    async sendPatiently(text) {
      if (!open || to.write(text)) return;
      const gone = new AbortController();
      const onClose = () => gone.abort();
      to.once("close", onClose);
      await once(to, "drain", { signal: gone.signal }).catch(() => undefined);
      to.off("close", onClose);
    },
    end() {
      closed();
      to.end();
    },
  };
}
