import { expect, test } from "vitest";
import { bulkFileId, isBulkId, lastIdOfBulk, MAX_BULK_FILES, newBulkId, placeInBulk } from "./bulk-id.ts";

test("the files of a bulk lie between its id and its last, in the order of the archive", () => {
  const bulk = newBulkId();
  expect(isBulkId(bulk)).toBe(true);
  const places = [0, 1, 15, 16, 999_999, MAX_BULK_FILES - 1].flatMap((ordinal) =>
    [0, 1, 15].map((generation) => ({ ordinal, generation })),
  );
  const ids = places.map((place) => bulkFileId(bulk, place));
  expect(ids.map(placeInBulk)).toEqual(places);
  expect(ids.toSorted()).toEqual(ids);
  expect(ids.every((id) => id > bulk && id <= lastIdOfBulk(bulk) && !isBulkId(id))).toBe(true);
  expect(ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id))).toBe(true);
});

test("two bulks share no id", () => {
  const bulks = Array.from({ length: 2_000 }, newBulkId);
  expect(new Set(bulks).size).toBe(bulks.length);
});
