import { access } from "node:fs/promises";
import { extname } from "node:path";

/**
 * A name from the server made fit for this disk: its folders stay, as far as they lead downwards; what could leave the
 * folder, hide the file or upset a file system does not.
 */
export function safeName(name: string): string {
  const parts = name
    .split(/[\\/]+/)
    .map((part) =>
      part
        .replace(/[\p{Cc}<>:"|?*]/gu, "_")
        .replace(/^\.+/, "_")
        .replace(/[. ]+$/, "")
        .slice(0, 200),
    )
    .filter((part) => part !== "");
  return parts.length === 0 ? "file" : parts.join("/");
}

/** The path itself, or `name-2.ext`, `name-3.ext`, …: the first that nothing has. */
export async function freePath(path: string): Promise<string> {
  const extension = extname(path);
  const stem = path.slice(0, path.length - extension.length);
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? path : `${stem}-${number}${extension}`;
    if (!(await exists(candidate))) return candidate;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
