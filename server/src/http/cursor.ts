import { Timestamp } from "@filemill/contract/timestamp.ts";
import { z } from "zod";
import { Problem } from "../errors.ts";

/** A place in a list that is ordered by (created_at, id), newest first. `createdAt` is PostgreSQL's text, to the microsecond. */
const Position = z.tuple([Timestamp, z.uuid()]);

export interface ListPosition {
  readonly createdAt: string;
  readonly id: string;
}

/** Opaque to clients; they only send it back. */
export function encodeCursor(position: ListPosition): string {
  return Buffer.from(JSON.stringify([position.createdAt, position.id])).toString("base64url");
}

/** Throws Problem `validation_failed` on a text that `encodeCursor` did not make. */
export function decodeCursor(text: string): ListPosition {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch {
    value = undefined;
  }
  const position = Position.safeParse(value);
  if (!position.success) {
    throw new Problem("validation_failed", "The cursor is not one of this list; start again without it.", {
      issues: [{ pointer: "/querystring/cursor", message: "is not a cursor of this list" }],
    });
  }
  return { createdAt: position.data[0], id: position.data[1] };
}
