import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve, sep } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { freePath, safeName } from "./names.ts";

test("whatever the server calls a file, it stays inside the folder of results", () => {
  const pieces = fc.constantFrom("..", ".", "/", "\\", "a", "\u0000", "C:", "~", " ", "ä");
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(pieces).map((parts) => parts.join("")),
      ),
      (name) => {
        const safe = safeName(name);
        const path = resolve("/results", safe);
        expect(path.startsWith(`/results${sep}`)).toBe(true);
        expect(safe).not.toMatch(/(?:^|\/)\.|\p{Cc}/u);
      },
    ),
  );
});

test("folders in a name are kept", () => {
  expect(safeName("album/summer 1.jpg")).toBe("album/summer 1.jpg");
  expect(safeName("../../etc/passwd")).toBe("_/_/etc/passwd");
  expect(safeName("")).toBe("file");
});

test("a path that is taken gets the next free number before its extension", async () => {
  const folder = await mkdtemp(join(tmpdir(), "filemill-names-"));
  try {
    await writeFile(join(folder, "a.txt"), "");
    await writeFile(join(folder, "a-2.txt"), "");
    expect(await freePath(join(folder, "a.txt"))).toBe(join(folder, "a-3.txt"));
    expect(await freePath(join(folder, "b.txt"))).toBe(join(folder, "b.txt"));
  } finally {
    await rm(folder, { recursive: true });
  }
});
