import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { contentsIn, manifestOf } from "../../test/contents-in.ts";
import { openDiskStore } from "../storage/disk.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { acceptForm } from "./accept-form.ts";

const TENANT = "0193f0aa-0000-7000-8000-000000000001";
const BOUNDARY = "a-boundary-of-a-form";
const headers = { "content-type": `multipart/form-data; boundary=${BOUNDARY}` };

let folder: string;
let store: ObjectStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-form-"));
  store = await openDiskStore({ folder });
});
afterAll(() => rm(folder, { recursive: true }));

function accept(body: Buffer, chunkBytes: number) {
  const upload = { tenantId: TENANT, headers, maxFileBytes: 2 ** 30, maxFilesPerRequest: 10 };
  return acceptForm(Readable.from(chunksOf(body, chunkBytes), { objectMode: false }), contentsIn(store), upload);
}

/** As from a socket: every chunk has memory of its own, which the form frees. */
function* chunksOf(body: Buffer, chunkBytes: number): Generator<Buffer> {
  for (let start = 0; start < body.length; start += chunkBytes) {
    yield Buffer.from(new Uint8Array(body.subarray(start, start + chunkBytes)).buffer);
  }
}

const keys = () => Array.fromAsync(store.list(""), ({ key }) => key);
const part = (content: Buffer, disposition: string) =>
  Buffer.concat([Buffer.from(`--${BOUNDARY}\r\n${disposition}\r\n\r\n`), content, Buffer.from("\r\n")]);
const file = (content: Buffer, name: string) => part(content, `content-disposition: form-data; name="file"; filename="${name}"`);
const END = Buffer.from(`--${BOUNDARY}--\r\n`);

describe("a form", () => {
  it.each([1_000, 65_536, 1_000_000])("keeps every byte of its files, in chunks of %i", async (chunkBytes) => {
    // Line ends and dashes look like the start of a boundary again and again.
    const contents = [randomBytes(300_000), Buffer.from("\r\n--a-bound".repeat(40_000)), randomBytes(5), randomBytes(2_000_000)];
    const { files } = await accept(Buffer.concat([...contents.map((content, no) => file(content, `${no}.bin`)), END]), chunkBytes);
    expect(files.map(({ sizeBytes }) => sizeBytes)).toEqual(contents.map(({ length }) => length));
    for (const [no, stored] of files.entries()) {
      const expected = contents[no] ?? Buffer.alloc(0);
      expect(stored.sha256.equals(createHash("sha256").update(expected).digest())).toBe(true);
      expect((await buffer(await contentsIn(store).read(manifestOf(stored)))).equals(expected)).toBe(true);
    }
  });

  it.each([
    ["has no Content-Disposition", part(Buffer.from("x"), "content-type: text/plain")],
    ["has no header at all", Buffer.from(`--${BOUNDARY}\r\n\r\nx\r\n`)],
    ["is no form data", part(Buffer.from("x"), 'content-disposition: attachment; name="file"; filename="a"')],
    ["has no name", part(Buffer.from("x"), "content-disposition: form-data")],
    ["has a disposition that is none", part(Buffer.from("x"), "content-disposition: ;;;")],
    ["begins behind a boundary with something added", Buffer.from(`--${BOUNDARY}more\r\nx\r\n`)],
  ])("is refused where a part %s, and leaves nothing", async (_label, odd) => {
    const before = await keys();
    for (const parts of [
      [file(randomBytes(100_000), "good.bin"), odd],
      [odd, file(randomBytes(100_000), "good.bin")],
    ]) {
      await expect(accept(Buffer.concat([...parts, END]), 65_536)).rejects.toMatchObject({ code: "validation_failed" });
    }
    expect(await keys()).toEqual(before);
  });

  it.each(["base64", "quoted-printable", "BASE64", "x-uuencode"])(
    "is refused where a part is in %s, and leaves nothing",
    async (encoding) => {
      const before = await keys();
      const transfer = `\r\ncontent-transfer-encoding: ${encoding}`;
      for (const odd of [`form-data; name="file"; filename="b"${transfer}`, `form-data; name="metadata"${transfer}`]) {
        const body = Buffer.concat([file(randomBytes(100_000), "good.bin"), part(Buffer.from("e30="), `content-disposition: ${odd}`), END]);
        await expect(accept(body, 65_536)).rejects.toMatchObject({
          code: "validation_failed",
          message: expect.stringContaining(encoding.toLowerCase()),
        });
      }
      expect(await keys()).toEqual(before);
    },
  );

  it.each(["7bit", "8bit", "Binary"])("takes a part in %s as it is", async (encoding) => {
    const plain = part(
      Buffer.from("x"),
      `content-disposition: form-data; name="file"; filename="a"\r\ncontent-transfer-encoding: ${encoding}`,
    );
    expect((await accept(Buffer.concat([plain, END]), 65_536)).files).toHaveLength(1);
  });

  it("may have text before its first boundary and behind its last", async () => {
    const body = Buffer.concat([Buffer.from("a preamble\r\n"), file(Buffer.from("x"), "x"), END, Buffer.from("an epilogue\r\n")]);
    expect((await accept(body, 65_536)).files).toHaveLength(1);
  });
});
