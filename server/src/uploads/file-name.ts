import { Problem } from "../errors.ts";

/** Of UTF-8: what the file systems take to which results are fetched. */
const MAX_NAME_BYTES = 255;
// oxlint-disable-next-line no-control-regex -- these are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/**
 * A user's name for a file, fit to be kept. It is data and never part of a path, so that nearly everything is kept as it
 * is, `../../etc/passwd` and right-to-left marks included; only Unicode is normalised (NFC), because the same name typed
 * on two systems should be one name. Throws Problem `validation_failed` where it is empty, too long or holds control characters.
 */
export function fileName(text: string): string {
  const name = text.toWellFormed().normalize("NFC");
  if (name === "") throw refused("is empty");
  if (CONTROL.test(name)) throw refused("holds control characters");
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) throw refused(`is longer than ${MAX_NAME_BYTES} bytes of UTF-8`);
  return name;
}

/** The name in a multipart part, without the folders that some clients send with it (RFC 7578 §4.2). */
export function partFileName(text: string): string {
  return fileName(text.slice(Math.max(text.lastIndexOf("/"), text.lastIndexOf("\\")) + 1));
}

function refused(why: string): Problem {
  return new Problem("validation_failed", `The file's name ${why}; choose another.`, { issues: [{ pointer: "/name", message: why }] });
}
