import { z } from "zod";

/** What a user calls a result. */
export const OutputName = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^/\\\p{Cc}]+$/u, "must be a file's name, without a path");
