/** Most files of a job, most numbers in each, and most numbers in all of them: 100 million are about 290 MB. */
export const LIMITS = { files: 100_000, entries: 1_000_000, numbers: 100_000_000 } as const;

/** What is wrong with a request, in the shape that express-validator has made familiar. */
export interface FieldError {
  readonly type: "field";
  readonly msg: string;
  readonly path: string;
  readonly location: "body";
}

export interface Order {
  readonly noOfFiles: number;
  readonly noOfEntriesPerFile: number;
}

/** The body of POST /jobs. */
export function readOrder(body: unknown): Order | { readonly errors: readonly FieldError[] } {
  const noOfFiles = readField(body, "noOfFiles", { least: 1, most: LIMITS.files });
  const noOfEntriesPerFile = readField(body, "noOfEntriesPerFile", { least: 1, most: LIMITS.entries });
  if (typeof noOfFiles !== "number" || typeof noOfEntriesPerFile !== "number") {
    return { errors: [noOfFiles, noOfEntriesPerFile].filter((field) => typeof field !== "number") };
  }
  if (noOfFiles * noOfEntriesPerFile > LIMITS.numbers) {
    const msg = `noOfFiles × noOfEntriesPerFile must be at most ${LIMITS.numbers}, not ${noOfFiles * noOfEntriesPerFile}`;
    return { errors: [fieldError("noOfEntriesPerFile", msg)] };
  }
  return { noOfFiles, noOfEntriesPerFile };
}

/** A member of a body as a whole number within its range; also as text of digits, which forms send. */
export function readField(body: unknown, name: string, { least, most }: { least: number; most: number }): number | FieldError {
  const value: unknown = typeof body === "object" && body !== null && Object.hasOwn(body, name) ? Reflect.get(body, name) : undefined;
  const number = typeof value === "string" && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
  if (typeof number === "number" && Number.isInteger(number) && number >= least && number <= most) return number;
  const range = most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`;
  return fieldError(name, `${name} must be a whole number ${range}`);
}

export function fieldError(path: string, msg: string): FieldError {
  return { type: "field", msg, path, location: "body" };
}
