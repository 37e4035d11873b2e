import { expect, test } from "vitest";
import { scrubLines } from "./admin/scrub.ts";
import { usageLines } from "./usage.ts";

const NONE = { bytes: 0, files: 0 };

test("usage shows classes and what is under way only where there is something", () => {
  const plain = {
    tenant_id: "ten_0",
    used: { bytes: 2_048, files: 3 },
    reserved: NONE,
    limits: { bytes: null, files: null },
    by_storage_class: { hot: { bytes: 2_048, files: 3 }, cold: NONE, archive: NONE },
  };
  expect(usageLines(plain)).toEqual(["       BYTES    FILES", "used   2.0 KiB  3", "limit  none     none"]);
  const busy = {
    ...plain,
    reserved: { bytes: 1_024, files: 1 },
    limits: { bytes: 10_240, files: 100 },
    by_storage_class: { hot: { bytes: 1_024, files: 1 }, cold: { bytes: 1_024, files: 2 }, archive: NONE },
  };
  expect(usageLines(busy).map((line) => line.split(/ {2,}/))).toEqual([
    ["", "BYTES", "FILES"],
    ["used", "2.0 KiB", "3"],
    ["", "hot", "1.0 KiB", "1"],
    ["", "cold", "1.0 KiB", "2"],
    ["under way", "1.0 KiB", "1"],
    ["limit", "10.0 KiB", "100"],
  ]);
});

test("the scrub says where it is and names what is damaged", () => {
  const figures = { files: 10, bytes: 2_048, missing: 0, damaged: 1, healed: 0, unread: 0 };
  const lines = scrubLines({
    running: true,
    cycle_started_at: "2026-01-31T12:00:00.000Z",
    cycle_finished_at: null,
    cycle: figures,
    last_cycle: null,
    damaged: [{ file_id: "file_1", tenant_id: "ten_1", name: "a.jpg", kind: "damaged", detail: "d", found_at: "2026-01-31T12:00:01.000Z" }],
  });
  expect(lines[0]).toBe("reading; this cycle: 10 files, 2.0 KiB, 1 damaged, since 2026-01-31 12:00:00");
  expect(lines.at(-1)).toBe("file_1  2026-01-31 12:00:01  damaged  ten_1   a.jpg");
});
