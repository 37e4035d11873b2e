import type { Client } from "@filemill/sdk/client.ts";
import type { FastifyBaseLogger } from "fastify";
import type { Environment } from "../start/app.ts";
import { blobTexts } from "./blobs/blob-texts.ts";
import { openContainer } from "./blobs/container.ts";
import { startCopying } from "./blobs/copy-texts.ts";
import type { RunFigures } from "./run-figures.ts";
import { platformTexts, type Texts } from "./texts.ts";

interface Opening {
  readonly client: Client;
  readonly figures: RunFigures;
  readonly environment: Environment;
  readonly log: FastifyBaseLogger;
  /** Aborted when the app is to end. */
  readonly signal: AbortSignal;
}

const DEFAULT_CONTAINER = "documents";

/** Texts are in AZURE_CONTAINER of AZURE_BLOB_CONN where that is set, else on the platform. Throws AppError. */
export function openTexts({ client, figures, environment, log, signal }: Opening): { texts: Texts; close: () => Promise<void> } {
  const connectionString = environment["AZURE_BLOB_CONN"];
  if (!connectionString) return { texts: platformTexts(figures), close: async () => undefined };
  const container = openContainer(connectionString, environment["AZURE_CONTAINER"] || DEFAULT_CONTAINER);
  const texts = blobTexts(container, { figures, signal });
  // Errors of the client library carry whole requests.
  const warn = (error: unknown, message: string) => log.warn({ reason: error instanceof Error ? error.message : String(error) }, message);
  const { close } = startCopying({ client, container, texts, figures, warn });
  return { texts, close };
}
