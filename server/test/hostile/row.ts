/** One hostile request and what it must get. */
export interface HostileRow {
  readonly name: string;
  /** The whole message, byte by byte in latin1; the key is put in where it says so. */
  readonly bytes: (key: string) => readonly (string | Buffer)[];
  /** Final answers, in order. Several in one place: each is right. */
  readonly statuses: readonly (number | readonly number[])[];
  readonly code?: string | undefined;
  /** Half-close behind the bytes. */
  readonly end?: boolean;
  /** Files that it may store, being honest after all; 0 unless told. */
  readonly stored?: number;
}

export const CRLF = "\r\n";

/** A request line and headers, with a key, a host and the wish to close. */
export function head(line: string, headers: readonly string[] = []): (key: string) => string {
  return (key) =>
    `${[`${line} HTTP/1.1`, "Host: x", `Authorization: Bearer ${key}`, "Connection: close", ...headers].join(CRLF)}${CRLF}${CRLF}`;
}

export const put = (...headers: string[]) => head("PUT /api/v1/files/hostile.bin", headers);

/** A request of headers and a body. */
export function request(start: (key: string) => string, ...body: (string | Buffer)[]): (key: string) => readonly (string | Buffer)[] {
  return (key) => [start(key), ...body];
}
