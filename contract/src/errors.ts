import { z } from "zod";

/** Codes of problem+json answers (RFC 9457) and the HTTP status each is sent with. They never change meaning. */
export const PROBLEM_STATUS = {
  validation_failed: 400,
  digest_mismatch: 400,
  length_mismatch: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  offset_mismatch: 409,
  gone: 410,
  precondition_failed: 412,
  file_too_large: 413,
  quota_exceeded: 413,
  type_not_allowed: 415,
  range_not_satisfiable: 416,
  idempotency_key_reused: 422,
  upload_locked: 423,
  rate_limited: 429,
  checksum_mismatch: 460,
  internal: 500,
  unavailable: 503,
  disk_full: 507,
} as const;

export type ProblemCode = keyof typeof PROBLEM_STATUS;

/** Why an item or a task did not succeed; part of the wire format. */
export const ItemCode = z.enum([
  "type_mismatch",
  "encrypted",
  "corrupt",
  "limit_exceeded",
  "malware",
  "input_dead",
  "timeout",
  "crashed",
  "resource_exhausted",
  "lost",
  "source_refused",
  "source_denied",
  "source_missing",
  "source_unavailable",
]);
export type ItemCode = z.infer<typeof ItemCode>;

/** One thing wrong with a request: where (JSON pointer), what, and what to write instead. */
export const Issue = z.object({
  pointer: z.string(),
  message: z.string(),
  suggestion: z.string().optional(),
});
export type Issue = z.infer<typeof Issue>;

/** The body of every error answer, `application/problem+json`. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  code: z.string(),
  detail: z.string().optional(),
  instance: z.string().optional(),
  issues: z.array(Issue).optional(),
});
export type Problem = z.infer<typeof Problem>;
