import { CRLF, head, put, request, type HostileRow } from "./row.ts";

const json = (path: string, body: string | Buffer, ...headers: string[]) =>
  request(head(`POST /api/v1${path}`, ["Content-Type: application/json", `Content-Length: ${Buffer.byteLength(body)}`, ...headers]), body);
const MIB = Buffer.alloc(2 ** 20, " ");

const refused = (name: string, bytes: HostileRow["bytes"], code = "validation_failed"): HostileRow => ({
  name,
  bytes,
  statuses: [code === "file_too_large" ? 413 : code === "type_not_allowed" ? 415 : code === "not_found" ? 404 : 400],
  code,
});

/** Requests that are HTTP and ask for what nobody should get. */
export const REQUESTS: readonly HostileRow[] = [
  refused("a part of a file by Content-Range", request(put("Content-Length: 5", "Content-Range: bytes 5-9/10"), "hello")),
  refused("a Content-Range that is absurd", request(put("Content-Length: 5", "Content-Range: bytes 9999999999999999999999-5/1"), "hello")),
  refused("content that is coded", request(put("Content-Length: 5", "Content-Encoding: gzip"), "hello"), "type_not_allowed"),
  refused(
    "content that is coded 50 times",
    request(put("Content-Length: 5", `Content-Encoding: ${"gzip, ".repeat(49)}gzip`), "hello"),
    "type_not_allowed",
  ),
  {
    name: "content that is coded as itself",
    bytes: request(put("Content-Length: 5", "Content-Encoding: identity"), "hello"),
    statuses: [201],
    stored: 1,
  },
  refused(
    "a transfer coding that would stay in the content",
    request(put("Transfer-Encoding: gzip, chunked"), `5${CRLF}hello${CRLF}0${CRLF}${CRLF}`),
  ),
  refused("more than a file may have, announced", request(put("Content-Length: 3000001", "Expect: 100-continue")), "file_too_large"),
  refused("more than a file may have, unannounced", request(put("Transfer-Encoding: chunked"), ...chunks(5)), "file_too_large"),
  refused(
    "JSON of 100 MB",
    (key) => [
      head("POST /api/v1/jobs", ["Content-Type: application/json", `Content-Length: ${100 * 2 ** 20}`])(key),
      ...Array.from({ length: 100 }, () => MIB),
    ],
    "file_too_large",
  ),
  refused(
    "JSON of unannounced 20 MB",
    (key) => [head("POST /api/v1/jobs", ["Content-Type: application/json", "Transfer-Encoding: chunked"])(key), ...chunks(20)],
    "file_too_large",
  ),
  refused("JSON 10,000 deep", json("/jobs", `${"[".repeat(10_000)}${"]".repeat(10_000)}`)),
  refused("JSON with __proto__", json("/jobs", '{"pipeline":"x","inputs":["x"],"metadata":{},"__proto__":{"admin":true}}')),
  refused("JSON with constructor.prototype", json("/jobs", '{"pipeline":"x","inputs":["x"],"constructor":{"prototype":{"admin":true}}}')),
  refused("JSON in UTF-16", json("/jobs", Buffer.from('{"pipeline":"x","inputs":["x"]}', "utf16le"))),
  refused("JSON that is empty", json("/jobs", "")),
  refused("a key for repetitions of 300 bytes", request(put("Content-Length: 5", `Idempotency-Key: ${"k".repeat(300)}`), "hello")),
  refused("an empty key for repetitions", request(put("Content-Length: 5", "Idempotency-Key: "), "hello")),
  refused("percent-encoding that is none", request(head("PUT /api/v1/files/%zz", ["Content-Length: 5"]), "hello")),
  refused("percent-encoded bytes that are no UTF-8", request(head("PUT /api/v1/files/%ff%fe", ["Content-Length: 5"]), "hello")),
  refused("an overlong slash", request(head("PUT /api/v1/files/%c0%ae%c0%ae", ["Content-Length: 5"]), "hello")),
  refused("a path of 5,000 characters", request(head(`PUT /api/v1/files/${"a".repeat(5_000)}`, ["Content-Length: 5"]), "hello")),
  refused("metadata of 10 KB", request(head(`PUT /api/v1/files/a?metadata.a=${"a".repeat(10_000)}`, ["Content-Length: 5"]), "hello")),
  refused("metadata twice", request(head("PUT /api/v1/files/a?metadata.a=1&metadata.a=2", ["Content-Length: 5"]), "hello")),
  refused(
    "a target in absolute form for another host",
    request(head("PUT http://elsewhere.example/nowhere", ["Content-Length: 5"]), "hello"),
    "not_found",
  ),
  refused("a path with dots", request(head("PUT /api/v1/../../etc/passwd", ["Content-Length: 5"]), "hello"), "not_found"),
  {
    name: "another method by header",
    bytes: request(head("GET /api/v1/files?limit=1", ["X-HTTP-Method-Override: DELETE", "X-Method-Override: DELETE"])),
    statuses: [200],
  },
  {
    name: "an upgrade to WebSocket",
    bytes: request(head("GET /readyz", ["Upgrade: websocket", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13"])),
    statuses: [200],
  },
  {
    name: "an upgrade to HTTP/2",
    bytes: request(head("GET /readyz", ["Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"])),
    statuses: [200],
  },
  { name: "TRACE", bytes: request(head("TRACE /api/v1/files")), statuses: [[404, 405]] },
  {
    name: "spoofed addresses",
    bytes: request(
      head("GET /api/v1/files?limit=1", [
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: evil.example",
        "Forwarded: host=evil.example",
        "X-Tenant: default",
      ]),
    ),
    statuses: [200],
  },
  {
    name: "1,000 ranges",
    bytes: request(head("GET /api/v1/files/file_00000000000000000000000000/content", [`Range: bytes=${"0-,".repeat(1_000)}0-`])),
    statuses: [404],
    code: "not_found",
  },
];

/** So many MiB as chunks, without the end that nobody should wait for. */
function chunks(count: number): Buffer[] {
  return Array.from({ length: count }, () => Buffer.concat([Buffer.from(`100000${CRLF}`), MIB, Buffer.from(CRLF)]));
}
