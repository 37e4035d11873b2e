import { decodeId } from "@filemill/contract/ids.ts";
import { notFound } from "../errors.ts";

/** A text that is no id of a file answers as an id that is not there. */
export function fileId(text: string): string {
  const id = decodeId("file", text);
  if (id === undefined) throw notFound("file", text);
  return id;
}
