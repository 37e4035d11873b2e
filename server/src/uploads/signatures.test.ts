import { randomBytes } from "node:crypto";
import { FileTypeParser, fileTypeFromBuffer } from "file-type";
import { describe, expect, it } from "vitest";
import { mayHaveSignature } from "./signatures.ts";

const HEAD_BYTES = 1_024;

interface Signature {
  readonly bytes: readonly number[];
  readonly offset: number;
}

/** file-type asks its own method `check` for every signature; this one answers no, and notes what was asked. */
class Recorder extends FileTypeParser {
  readonly asked: Signature[] = [];
  check(bytes: readonly number[], options?: { offset?: number }): boolean {
    this.asked.push({ bytes, offset: options?.offset ?? 0 });
    return false;
  }
}

async function signaturesOfFileType(): Promise<Signature[]> {
  const recorder = new Recorder();
  expect(await recorder.fromBuffer(Buffer.alloc(HEAD_BYTES, 0x90))).toBeUndefined();
  return recorder.asked;
}

/** Bytes that are nothing else. */
function headWith({ bytes, offset }: Signature): Buffer {
  const head = Buffer.alloc(HEAD_BYTES, 0x90);
  head.set(bytes, offset);
  return head;
}

describe("mayHaveSignature", () => {
  it("lets everything through that file-type looks for", async () => {
    const signatures = await signaturesOfFileType();
    expect(signatures.length).toBeGreaterThan(120);
    expect(signatures.filter((one) => !mayHaveSignature(headWith(one)))).toEqual([]);
  });

  it.each([
    ["a packed Flash film", "435753"],
    ["a Flash film", "465753"],
    ["a frame of MPEG audio", "fffb90"],
    ["a frame of AAC", "fff15c"],
  ])("lets through what file-type compares by hand: %s", async (_what, start) => {
    const head = headWith({ bytes: [...Buffer.from(start, "hex")], offset: 0 });
    expect(await fileTypeFromBuffer(head)).toBeDefined();
    expect(mayHaveSignature(head)).toBe(true);
  });

  it("stops nothing that file-type would know, and stops most of what is nothing", async () => {
    let stopped = 0;
    for (let count = 0; count < 3_000; count++) {
      const head = randomBytes(300);
      if (mayHaveSignature(head)) continue;
      stopped++;
      expect(await fileTypeFromBuffer(head), head.toString("hex")).toBeUndefined();
    }
    expect(stopped).toBeGreaterThan(2_900);
  });

  it.each([0, 1, 2, 3, 30, 200])("of %d bytes", async (length) => {
    for (let count = 0; count < 200; count++) {
      const head = randomBytes(length);
      if ((await fileTypeFromBuffer(head)) !== undefined) expect(mayHaveSignature(head), head.toString("hex")).toBe(true);
    }
  });
});
