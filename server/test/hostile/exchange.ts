import { connect } from "node:net";

/** What came back over one connection until the server closed it. */
export interface Exchange {
  /** Of every final answer, in order; 1xx are not among them. */
  readonly statuses: readonly number[];
  /** The `code` of the problems among them. */
  readonly codes: readonly string[];
  readonly continued: boolean;
  readonly raw: string;
}

export interface Sending {
  readonly port: number;
  readonly bytes: readonly (string | Buffer)[];
  /** Half-close behind the bytes: for messages that are shorter than they say. */
  readonly end?: boolean;
}

/** Longer than any answer takes; a server that neither answers nor closes fails the test by it. */
const PATIENCE_MS = 15_000;

/**
 * Sends bytes exactly as they are and reads until the server closes the connection, as `Connection: close` makes it do.
 * Every byte is latin1, so that nothing is changed on the way. Rejects where the server does not close.
 */
export async function exchange({ port, bytes, end = false }: Sending): Promise<Exchange> {
  const socket = connect(port, "127.0.0.1");
  let raw = "";
  const closed = new Promise<void>((resolve, reject) => {
    socket.on("data", (chunk) => (raw += chunk.toString("latin1")));
    socket.on("close", () => resolve());
    // A server that has answered may reset what we still send.
    socket.on("error", (error) => (raw === "" ? reject(error) : resolve()));
    socket.setTimeout(PATIENCE_MS, () => reject(new Error(`the server left this open for ${PATIENCE_MS} ms: ${raw.slice(0, 500)}`)));
  });
  closed.catch(() => undefined);
  try {
    for (const part of bytes) {
      if (socket.destroyed) break;
      if (!socket.write(part, "latin1")) await Promise.race([new Promise((resolve) => socket.once("drain", resolve)), closed]);
    }
    if (end) socket.end();
    await closed;
  } finally {
    socket.destroy();
  }
  return read(raw);
}

function read(raw: string): Exchange {
  const statuses: number[] = [];
  const codes: string[] = [];
  let rest = raw;
  let continued = false;
  while (rest !== "") {
    const head = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n([^]*?)\r\n\r\n/.exec(`${rest.includes("\r\n\r\n") ? rest : `${rest}\r\n\r\n`}`);
    if (head === null) throw new Error(`this is no answer: ${rest.slice(0, 300)}`);
    const status = Number(head[1]);
    const headers = head[2] ?? "";
    rest = rest.slice(head[0].length);
    if (status < 200) {
      continued = true;
      continue;
    }
    statuses.push(status);
    const length = Number(/^content-length: (\d+)$/im.exec(headers)?.[1] ?? rest.length);
    const code = /"code":"([a-z_]+)"/.exec(rest.slice(0, length))?.[1];
    if (code !== undefined && /application\/problem\+json/i.test(headers)) codes.push(code);
    rest = rest.slice(length);
  }
  return { statuses, codes, continued, raw };
}
