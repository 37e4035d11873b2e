import type { Client } from "@filemill/sdk/client.ts";
import type { FastifyInstance } from "fastify";

export type Environment = Readonly<Record<string, string | undefined>>;

/** A small program on the SDK, with HTTP endpoints of its own. */
export interface App {
  /** `<NAME>_PORT` sets its port where several run in one process. */
  readonly name: string;
  readonly defaultPort: number;
  /** What an embedded platform that is started for it needs beyond the defaults. */
  readonly platformSettings?: (environment: Environment) => Readonly<Record<string, string>>;
  /** Its HTTP server, not listening yet. What else it opens is closed by hooks of that server (`onClose`). */
  readonly build: (context: AppContext) => Promise<FastifyInstance>;
}

export interface AppContext {
  /** Of the platform. Nothing has been asked of it yet, and it may be away at any time. */
  readonly client: Client;
  readonly environment: Environment;
  /** Aborted when the app is to end. */
  readonly signal: AbortSignal;
}
