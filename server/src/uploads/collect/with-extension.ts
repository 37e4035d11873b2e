import { objectName } from "./object-name.ts";

const EXTENSIONS: Readonly<Record<string, string>> = {
  "application/json": ".json",
  "application/pdf": ".pdf",
  "application/xml": ".xml",
  "application/zip": ".zip",
  "image/gif": ".gif",
  "image/jpeg": ".jpg",
  "image/png": ".png",
  "image/tiff": ".tiff",
  "image/webp": ".webp",
  "text/csv": ".csv",
  "text/html": ".html",
  "text/plain": ".txt",
};

/** URLs such as /download?id=7 give names without an extension, which people's programs go by: the content's is added. */
export function withExtension(name: string, mediaType: string): string {
  const extension = EXTENSIONS[mediaType];
  if (extension === undefined || /\.[a-z0-9]{1,8}$/i.test(name)) return name;
  return objectName(`${name}${extension}`);
}
