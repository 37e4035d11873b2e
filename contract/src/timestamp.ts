import { z } from "zod";

/** The longest that means anything: microseconds and an offset. PostgreSQL gives up on much longer texts. */
const MAX_LENGTH = 40;
/** PostgreSQL knows no year 0 and no offset beyond ±15:59:59; RFC 3339 allows both. */
const YEAR_ZERO = /^0000/;
const FAR_OFFSET = /[+-](?:1[6-9]|2\d):/;

/** A point in time that PostgreSQL takes: RFC 3339 with an offset, years 1 to 9999. */
export const Timestamp = z.iso
  .datetime({ offset: true, error: "must be a time such as 2026-01-31T12:00:00Z" })
  .max(MAX_LENGTH)
  .refine((text) => !YEAR_ZERO.test(text), "must be a year from 0001 to 9999")
  .refine((text) => !FAR_OFFSET.test(text.slice(10)), "must have an offset of less than 16 hours");
