import { CRLF, head, put, request, type HostileRow } from "./row.ts";

const CHUNKED = "Transfer-Encoding: chunked";
const BODY = `5${CRLF}hello${CRLF}0${CRLF}${CRLF}`;
const SMUGGLED = `GET /api/v1/jobs HTTP/1.1${CRLF}Host: x${CRLF}${CRLF}`;

const bad = (name: string, ...headers: string[]): HostileRow => ({
  name,
  bytes: request(put(...headers), `0${CRLF}${CRLF}${SMUGGLED}`),
  statuses: [400],
  code: "validation_failed",
});

const badChunk = (name: string, body: string): HostileRow => ({
  name: `chunks: ${name}`,
  bytes: request(put(CHUNKED), body),
  statuses: [400],
  code: "validation_failed",
});

const raw = (name: string, text: string, statuses: HostileRow["statuses"] = [400]): HostileRow => ({
  name,
  bytes: (key) => [text.replaceAll("KEY", key)],
  statuses,
});

/** Where one message ends and the next begins: forms of request smuggling, RFC 9112 §11.2, and what is no HTTP at all. */
export const FRAMING: readonly HostileRow[] = [
  bad("Content-Length beside Transfer-Encoding", "Content-Length: 5", CHUNKED),
  bad("Transfer-Encoding beside Content-Length", CHUNKED, "Content-Length: 5"),
  bad("two lengths", "Content-Length: 5", "Content-Length: 6"),
  bad("two lengths in one header", "Content-Length: 5, 6"),
  bad("a length with a sign", "Content-Length: +5"),
  bad("a length below zero", "Content-Length: -1"),
  bad("a length in hex", "Content-Length: 0x5"),
  bad("a length with a gap", "Content-Length: 5 5"),
  bad("a length beyond 64 bits", "Content-Length: 99999999999999999999999"),
  bad("an unknown transfer coding", "Transfer-Encoding: xchunked"),
  bad("identity as transfer coding", "Transfer-Encoding: identity"),
  bad("chunked, but not at the end", "Transfer-Encoding: chunked, identity"),
  bad("two transfer codings in two headers", CHUNKED, "Transfer-Encoding: identity"),
  bad("a gap in front of the colon", "Transfer-Encoding : chunked"),
  bad("a vertical tab in front of chunked", "Transfer-Encoding: \vchunked"),
  bad("a folded header", "X-A: one\r\n two", CHUNKED, "Content-Length: 1"),
  bad("a bare line feed between headers", "X-A: one\nTransfer-Encoding: chunked", "Content-Length: 1"),
  bad("a bare carriage return in a header", "X-A: one\rContent-Length: 5"),
  bad("NUL in a header", "X-A: o\0ne"),
  bad("NUL in a header's name", "X\0A: one"),
  bad("a gap in a header's name", "X A: one"),
  bad("a header without a name", ": one"),
  bad("a header without a colon", "nonsense"),
  badChunk("a size of letters", `zz${CRLF}hello${CRLF}0${CRLF}${CRLF}`),
  badChunk("a size below zero", `-1${CRLF}hello${CRLF}0${CRLF}${CRLF}`),
  badChunk("a size with 0x", `0x5${CRLF}hello${CRLF}0${CRLF}${CRLF}`),
  badChunk("a size beyond 64 bits", `${"f".repeat(20)}${CRLF}hello${CRLF}0${CRLF}${CRLF}`),
  badChunk("no line end behind the size", `5hello${CRLF}0${CRLF}${CRLF}`),
  badChunk("no line end behind the chunk", `5${CRLF}helloX0${CRLF}${CRLF}`),
  badChunk("bare line feeds", "5\nhello\n0\n\n"),
  badChunk("an extension of 100 KB", `5;a=${"b".repeat(100_000)}${CRLF}hello${CRLF}0${CRLF}${CRLF}`),
  { ...badChunk("an end that never comes", `5${CRLF}hel`), end: true },
  {
    name: "chunks: an extension is no content",
    bytes: request(put(CHUNKED), `5;a=b${CRLF}hello${CRLF}0${CRLF}${CRLF}`),
    statuses: [201],
    stored: 1,
  },
  {
    name: "trailers that would be headers",
    bytes: request(put(CHUNKED), `5${CRLF}hello${CRLF}0${CRLF}Authorization: none${CRLF}Host: y${CRLF}${CRLF}`),
    statuses: [201],
    stored: 1,
  },
  badChunk("a length behind them", `5${CRLF}hello${CRLF}0${CRLF}Content-Length: 9${CRLF}${CRLF}`),
  {
    name: "20 KB of trailers",
    bytes: request(put(CHUNKED), `5${CRLF}hello${CRLF}0${CRLF}${`X-A: ${"a".repeat(1_000)}${CRLF}`.repeat(20)}${CRLF}`),
    statuses: [400],
  },
  { name: "a body that is shorter than it says", bytes: request(put("Content-Length: 100"), "hello"), end: true, statuses: [400] },
  {
    name: "a body that is longer than it says is no request",
    bytes: (key) => [put("Content-Length: 5")(key).replace("Connection: close\r\n", ""), "hello", "world\r\n\r\n"],
    statuses: [201],
    stored: 1,
  },
  {
    name: "a request in a body is content",
    bytes: request(put(`Content-Length: ${SMUGGLED.length}`), SMUGGLED),
    statuses: [201],
    stored: 1,
  },
  {
    name: "a request in a GET's body is content",
    bytes: request(head("GET /api/v1/files?limit=1", [`Content-Length: ${SMUGGLED.length}`]), SMUGGLED),
    statuses: [200],
  },
  {
    name: "an expectation that nobody knows",
    bytes: request(put("Content-Length: 5", "Expect: the-unexpected"), "hello"),
    statuses: [[417, 400]],
  },
  {
    name: "a key that is none, with a body",
    bytes: () => [
      `PUT /api/v1/files/a HTTP/1.1${CRLF}Host: x${CRLF}Connection: close${CRLF}Authorization: Bearer ${"x".repeat(4_000)}${CRLF}${CHUNKED}${CRLF}${CRLF}${BODY}`,
    ],
    statuses: [401],
    code: "unauthenticated",
  },
  raw("no host", `GET /readyz HTTP/1.1${CRLF}Connection: close${CRLF}${CRLF}`),
  raw("two hosts", `GET /readyz HTTP/1.1${CRLF}Host: a${CRLF}Host: b${CRLF}Connection: close${CRLF}${CRLF}`, [[400, 200]]),
  raw("HTTP/0.9", `GET /${CRLF}${CRLF}`, [[400, 401]]),
  raw("the preface of HTTP/2", `PRI * HTTP/2.0${CRLF}${CRLF}SM${CRLF}${CRLF}`),
  raw("a version that is none", `GET /readyz HTTP/9.9${CRLF}Host: x${CRLF}${CRLF}`),
  raw("a method that is none", `GE(T /readyz HTTP/1.1${CRLF}Host: x${CRLF}${CRLF}`),
  raw("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
  raw("zeros", "\0".repeat(1_000)),
  raw("a request line of 100 KB", `GET /${"a".repeat(100_000)} HTTP/1.1${CRLF}Host: x${CRLF}${CRLF}`),
  raw("a header of 100 KB", `GET /readyz HTTP/1.1${CRLF}Host: x${CRLF}X-A: ${"a".repeat(100_000)}${CRLF}${CRLF}`),
  raw("100,000 headers", `GET /readyz HTTP/1.1${CRLF}Host: x${CRLF}${`a: b${CRLF}`.repeat(100_000)}${CRLF}`),
];
