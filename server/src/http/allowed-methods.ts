import type { FastifyInstance } from "fastify";

/** Which methods a path has, `["GET", "HEAD"]`; empty for a path that is not known. To be made before the routes. */
export function allowedMethods(app: FastifyInstance): (path: string) => string[] {
  const routes: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = [];
  app.addHook("onRoute", ({ url, method }) => {
    routes.push({ pattern: patternOf(url), methods: [method].flat() });
  });
  return (path) => [...new Set(routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods))].toSorted();
}

/** `/files/:id` takes one segment for the parameter, `*` the rest of the path. */
function patternOf(url: string): RegExp {
  const parts = url
    .split("/")
    .map((part) => (part.startsWith(":") ? "[^/]+" : part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")));
  return new RegExp(`^${parts.join("/")}$`);
}
