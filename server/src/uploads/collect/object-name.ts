import { Problem } from "../../errors.ts";
import { fileName } from "../file-name.ts";

const NAMELESS = "object";
/** Fits, with room for what UTF-8 makes of them, into what file names may have. */
const MAX_BYTES = 255;

/** A name for what comes from elsewhere, where nobody can be asked for a better one: cut and cleaned until it fits. */
export function objectName(text: string): string {
  const last = text.slice(Math.max(text.lastIndexOf("/"), text.lastIndexOf("\\")) + 1);
  try {
    return fileName(last);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return fileName(cut(last.replaceAll(/[\p{Cc}]/gu, "_")) || NAMELESS);
  }
}

/** The last segment of a URL's path, decoded where that is possible; its host where there is none. */
export function nameOfUrl(url: URL): string {
  const segment = url.pathname.split("/").findLast((part) => part !== "");
  return objectName(decoded(segment ?? "") || url.hostname || NAMELESS);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Keeps the end, where the extension is. */
function cut(text: string): string {
  const bytes = Buffer.from(text.toWellFormed().normalize("NFC"));
  return bytes
    .subarray(Math.max(0, bytes.length - MAX_BYTES))
    .toString()
    .replace(/^�+/, "")
    .slice(-MAX_BYTES);
}
