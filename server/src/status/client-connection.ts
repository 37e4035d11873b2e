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

/** `onClosed` is told once, however the connection ends. */
export function createConnection(to: Writable, onClosed: () => void): ClientConnection {
  let open = true;
  const heartbeat = setInterval(() => send(HEARTBEAT), HEARTBEAT_MS);

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
