import type { Duplex } from "node:stream";

/**
 * Messages between a worker and a step host: lines of JSON over a socket, in both directions. Node's own IPC channel
 * does the same, but keeps a line in memory however long it gets, and a host that was taken over by its input could
 * fill the worker's memory with one. Here a line over `maxBytes` is misuse.
 */
export interface Channel<Sent> {
  /** Nothing happens where the other end is gone. */
  send(message: Sent): void;
  isOpen(): boolean;
}

export interface ChannelOptions {
  /** Of one received message. */
  readonly maxBytes: number;
  readonly onMessage: (message: unknown) => void;
  /** What came is no message; nothing more is read. */
  readonly onMisuse: (reason: string) => void;
  readonly onClose: () => void;
}

/** Behind stdin, stdout and stderr of a host. */
export const CHANNEL_FD = 3;

/**
 * Room for the results of a task whose steps emit 10,000 files with the longest names. A host that has more to tell tells
 * it of fewer entries (results-that-fit.ts).
 */
export const MAX_RESULT_BYTES = 16 * 1024 ** 2;

const NEWLINE = 10;

export function openChannel<Sent>(socket: Duplex, options: ChannelOptions): Channel<Sent> {
  let parts: Buffer[] = [];
  let bytes = 0;
  let isOpen = true;

  function misuse(reason: string): void {
    socket.removeListener("data", receive);
    socket.resume();
    parts = [];
    options.onMisuse(reason);
  }

  function receive(chunk: Buffer): void {
    let rest = chunk;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      parts.push(rest.subarray(0, end));
      if (bytes + end > options.maxBytes) return misuse(`a message of more than ${options.maxBytes} bytes`);
      const line = Buffer.concat(parts).toString();
      parts = [];
      bytes = 0;
      rest = rest.subarray(end + 1);
      const parsed = parse(line);
      if (!parsed) return misuse("a line that is not JSON");
      options.onMessage(parsed.message);
    }
    if (rest.length > 0) parts.push(rest);
    bytes += rest.length;
    if (bytes > options.maxBytes) misuse(`a message of more than ${options.maxBytes} bytes`);
  }

  socket.on("data", receive);
  // ECONNRESET and EPIPE: the other end is gone, which "close" tells.
  socket.on("error", () => undefined);
  socket.on("end", () => socket.destroy());
  socket.on("close", () => {
    isOpen = false;
    options.onClose();
  });
  return {
    send(message) {
      if (isOpen && socket.writable) socket.write(`${JSON.stringify(message)}\n`);
    },
    isOpen: () => isOpen,
  };
}

function parse(line: string): { readonly message: unknown } | undefined {
  try {
    return { message: JSON.parse(line) };
  } catch {
    return undefined;
  }
}
