import { readdir, readFile } from "node:fs/promises";
import { extname } from "node:path";
import type { FastifyInstance } from "fastify";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};
/** What every app's page shares. */
const SHARED = new URL("../page/", import.meta.url);
/** The page runs its own files only; pictures may also be ones that the user has just chosen. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/**
 * Serves the files of a folder, its `index.html` at `/` and the others at `/page/<name>`, among them those that all pages
 * share (style.css). They are small and read once.
 */
export async function servePage(app: FastifyInstance, folder: URL): Promise<void> {
  for (const place of [SHARED, folder]) {
    for (const name of await readdir(place)) {
      const type = TYPES[extname(name)];
      if (type === undefined) continue;
      const content = await readFile(new URL(name, place));
      app.get(name === "index.html" ? "/" : `/page/${name}`, async (_request, reply) =>
        reply.headers({ "content-type": type, "content-security-policy": POLICY, "cache-control": "no-cache" }).send(content),
      );
    }
  }
}
