import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import type { App, Environment } from "./app.ts";
import { AppError } from "./app-error.ts";
import { findPlatform, type FoundPlatform } from "./find-platform.ts";

export interface OpenApps {
  readonly addresses: readonly { readonly name: string; readonly url: string }[];
  readonly platform: FoundPlatform;
  /** Ends the apps, then a platform that was started for them. */
  close(): Promise<void>;
}

/**
 * Opens apps on one platform. Each listens at HOST (127.0.0.1) and at `<NAME>_PORT`, for a single app also PORT, else at
 * its own default; 0 is any free port. Throws AppError; nothing is left open then.
 */
export async function openApps(apps: readonly App[], opening: { environment: Environment; signal: AbortSignal }): Promise<OpenApps> {
  const { environment, signal } = opening;
  const [first, ...others] = apps;
  const ports = new Map(apps.map((app) => [app, portOf(app, { environment, alone: others.length === 0 })]));
  const platform = await findPlatform({
    environment,
    signal,
    name: first !== undefined && others.length === 0 ? first.name : "apps",
    settings: Object.assign({}, ...apps.map((app) => app.platformSettings?.(environment))),
  });
  const servers: FastifyInstance[] = [];
  const close = async () => {
    await Promise.allSettled(servers.map((server) => server.close()));
    await platform.stop();
  };
  try {
    const addresses: { name: string; url: string }[] = [];
    for (const [app, port] of ports) {
      const server = await app.build({ client: platform.client, environment, signal });
      servers.push(server);
      addresses.push({ name: app.name, url: await listen(server, { app, host: environment["HOST"] || "127.0.0.1", port }) });
    }
    return { addresses, platform, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function listen(server: FastifyInstance, { app, host, port }: { app: App; host: string; port: number }): Promise<string> {
  try {
    await server.listen({ host, port });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError(`${app.name} can't listen: ${reason}. Set PORT (or ${variableOf(app)}) to a free port.`, { cause });
  }
  // Listening on TCP, as it is told to.
  const { port: taken } = server.server.address() as AddressInfo;
  return `http://${host.includes(":") ? `[${host}]` : host}:${taken}/`;
}

function portOf(app: App, { environment, alone }: { environment: Environment; alone: boolean }): number {
  const text = environment[variableOf(app)] || (alone ? environment["PORT"] : undefined) || String(app.defaultPort);
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new AppError(`The port of ${app.name} is "${text}"; set it to a whole number from 0 to 65535.`);
}

function variableOf(app: App): string {
  return `${app.name.toUpperCase()}_PORT`;
}
