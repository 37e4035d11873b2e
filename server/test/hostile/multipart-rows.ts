import { CRLF, head, type HostileRow } from "./row.ts";

const B = "xyz";
const FILE = 'Content-Disposition: form-data; name="file"; filename="a.txt"';
const END = `--${B}--${CRLF}`;
const LARGE = "y".repeat(100_000);
const part = (headers: string, content = "hello") => `--${B}${CRLF}${headers}${CRLF}${CRLF}${content}${CRLF}`;
const named = (name: string) => part(`Content-Disposition: form-data; name="${name}"`, "1");

function form(body: string | Buffer, type = `multipart/form-data; boundary=${B}`): HostileRow["bytes"] {
  return (key) => [
    head("POST /api/v1/files", [`Content-Type: ${type}`, `Content-Length: ${Buffer.byteLength(body, "latin1")}`])(key),
    body,
  ];
}

const refused = (name: string, body: string, { type, status = 400 }: { type?: string; status?: 400 | 413 | 415 } = {}): HostileRow => ({
  name,
  bytes: form(body, type),
  statuses: [status],
  code: status === 400 ? "validation_failed" : status === 413 ? "file_too_large" : "type_not_allowed",
});

const taken = (name: string, body: string, stored = 1): HostileRow => ({ name, bytes: form(body), statuses: [201], stored });

/** Forms (RFC 7578), each behind a large file that is stored already when the fault comes. */
export const MULTIPART: readonly HostileRow[] = [
  refused("no boundary", part(FILE) + END, { type: "multipart/form-data" }),
  refused("an empty boundary", part(FILE) + END, { type: 'multipart/form-data; boundary=""' }),
  refused("another boundary than the one that was named", part(FILE) + END, { type: "multipart/form-data; boundary=abc" }),
  refused("a boundary of 10 KB that never comes", part(FILE) + END, { type: `multipart/form-data; boundary=${"b".repeat(10_000)}` }),
  refused("an empty body", ""),
  refused("a preamble of 8 MB and nothing else", "p".repeat(8_000_000)),
  refused("half a boundary again and again", `${CRLF}--xy`.repeat(500_000)),
  refused("no closing boundary", part(FILE, LARGE)),
  refused("cut in a part", part(FILE, LARGE) + `--${B}${CRLF}${FILE}${CRLF}${CRLF}${LARGE}`),
  refused("cut in a part's headers", `${part(FILE, LARGE)}--${B}${CRLF}Content-Dispo`),
  refused("cut behind a boundary", `${part(FILE, LARGE)}--${B}`),
  refused("a part without headers", `${part(FILE, LARGE)}--${B}${CRLF}${CRLF}x${CRLF}${END}`),
  refused("a header without a colon", part(FILE, LARGE) + part("nonsense") + END),
  refused("a header of 20 KB", part(FILE, LARGE) + part(`${FILE}${CRLF}X-A: ${"a".repeat(20_000)}`) + END),
  refused("NUL in a header", part(FILE, LARGE) + part('Content-Disposition: form-data; name="fi\0le"; filename="a"') + END),
  refused("a folded header", part(FILE, LARGE) + part(`Content-Disposition: form-data;${CRLF} name=${CRLF}\t""; filename="a"`) + END),
  refused("bare line feeds", part(FILE, LARGE).replaceAll(CRLF, "\n") + END.replaceAll(CRLF, "\n")),
  refused("an empty field name", part(FILE, LARGE) + named("") + END),
  refused("no field name", part(FILE, LARGE) + part('Content-Disposition: form-data; filename="a.txt"') + END),
  refused("__proto__", part(FILE, LARGE) + named("__proto__") + END),
  refused("__proto__[admin]", part(FILE, LARGE) + named("__proto__[admin]") + END),
  refused("constructor.prototype.admin", part(FILE, LARGE) + named("constructor.prototype.admin") + END),
  refused("toString", part(FILE, LARGE) + named("toString") + END),
  refused("a field of 100 KB in its name", part(FILE, LARGE) + named("n".repeat(100_000)) + END),
  refused(
    "a file in a field's place",
    part(FILE, LARGE) + part('Content-Disposition: form-data; name="metadata"; filename="m.json"', "{}") + END,
  ),
  refused("a field in a file's place", part(FILE, LARGE) + part('Content-Disposition: form-data; name="file"', "x") + END),
  refused("a field twice", part(FILE, LARGE) + part('Content-Disposition: form-data; name="metadata"', "{}").repeat(2) + END),
  refused("attachment in form-data's place", part(FILE, LARGE) + part('Content-Disposition: attachment; name="file"; filename="a"') + END),
  refused(
    "a name in an unknown charset",
    part(FILE, LARGE) + part("Content-Disposition: form-data; name=\"file\"; filename*=no-such''a%ff") + END,
  ),
  refused("NUL in a file's name", part(FILE, LARGE) + part("Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''a%00b") + END),
  refused(
    "a line end in a file's name",
    part(FILE, LARGE) + part("Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''a%0d%0aSet-Cookie:%20b") + END,
  ),
  refused(
    "a file's name of 300 bytes",
    part(FILE, LARGE) + part(`Content-Disposition: form-data; name="file"; filename="${"n".repeat(300)}"`) + END,
  ),
  refused("a part in base64", part(FILE, LARGE) + part(`${FILE}${CRLF}Content-Transfer-Encoding: base64`, "aGVsbG8=") + END),
  refused("a field of 2 MB", part(FILE, LARGE) + part('Content-Disposition: form-data; name="params"', "z".repeat(2_000_000)) + END, {
    status: 413,
  }),
  refused("10,000 parts", part(FILE).repeat(10_000) + END, { status: 413 }),
  refused("10,000 fields", part(FILE, LARGE) + named("metadata").repeat(10_000) + END),
  refused("a file that is too large behind a good one", part(FILE, LARGE) + part(FILE, "z".repeat(3_000_001)) + END, { status: 413 }),
  refused("another kind of multipart", part(FILE) + END, { type: `multipart/mixed; boundary=${B}`, status: 415 }),
  refused("no multipart", "a,b", { type: "text/csv", status: 415 }),
  {
    name: "a client that goes away in a part's headers",
    bytes: (key) => [
      head("POST /api/v1/files", [`Content-Type: multipart/form-data; boundary=${B}`, "Content-Length: 2000000"])(key),
      part(FILE, LARGE),
      `--${B}${CRLF}${FILE}`,
    ],
    end: true,
    statuses: [400],
  },
  taken("1,000 small headers that say nothing", part(`${FILE}${CRLF}${`X-A: a${CRLF}`.repeat(1_000)}X-B: b`) + END),
  taken("dashes and boundaries inside a line are content", part(FILE, `--${B}x --${B}-- ${LARGE}`.slice(1)) + END),
  taken(
    "multipart in multipart, 1,000 deep, is content",
    part(
      `${FILE}${CRLF}Content-Type: multipart/mixed; boundary=q`,
      `--q${CRLF}Content-Type: multipart/mixed; boundary=q${CRLF}${CRLF}`.repeat(1_000),
    ) + END,
  ),
  taken("a preamble and an epilogue of 1 MB", "p".repeat(1_000_000) + CRLF + part(FILE) + END + "e".repeat(1_000_000)),
];
