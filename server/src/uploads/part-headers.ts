import type { IncomingHttpHeaders } from "node:http";
import type busboy from "busboy";
import { z } from "zod";

/**
 * busboy reads all headers of a part and tells of three. While it tells of a part, the function returned gives all of
 * them, lower case, several of one name joined by commas. The reader of headers is not part of busboy's interface: it is
 * set for the length of each part's headers, where this listens.
 */
export function partHeadersOf(parser: busboy.Busboy): () => IncomingHttpHeaders {
  let reader: HeaderReader | null = null;
  let seen: Readonly<Record<string, readonly string[]>> | undefined;
  Object.defineProperty(parser, "_hparser", {
    get: () => reader,
    set(value: unknown) {
      if (value !== null && value !== reader) listen(HeaderReader.parse(value));
      reader = value === null ? null : HeaderReader.parse(value);
    },
  });
  const listening = new WeakSet<HeaderReader>();
  function listen(to: HeaderReader): void {
    if (listening.has(to)) return;
    listening.add(to);
    const tell = to.cb;
    to.cb = (headers) => {
      seen = headers;
      tell(headers);
    };
  }
  return () => {
    if (seen === undefined) throw new Error("busboy no longer keeps its reader of headers where this release does");
    return Object.fromEntries(Object.entries(seen).map(([name, values]) => [name, values.join(", ")]));
  };
}

interface HeaderReader {
  cb: (headers: Readonly<Record<string, readonly string[]>>) => void;
}

const HeaderReader = z.custom<HeaderReader>(
  (value) => typeof value === "object" && value !== null && "cb" in value && typeof value.cb === "function",
);
