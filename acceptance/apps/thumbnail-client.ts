import { until } from "../chaos/conditions.ts";

/** An existing client of the endpoints: it knows the app's port and nothing else. */
export interface ThumbnailClient {
  /** POST /uploadFile with one part `file`. */
  send(name: string, content: Uint8Array): Promise<Answer>;
  /** The same where it must be taken; gives the file_id. */
  sent(name: string, content: Uint8Array): Promise<string>;
  status(fileId: string): Promise<Answer>;
  stage(fileId: string): Promise<Stage>;
  /** Polls until it is done either way. Rejects where it goes back or takes too long; gives all stages seen, each once. */
  followed(fileId: string, options?: { withinMs?: number }): Promise<Stage[]>;
  thumbnail(fileId: string): Promise<Response>;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export const STAGES = ["STAGING STAGE", "PROCESSING STAGE", "COMPLETION STAGE", "FAILED STAGE"] as const;
export type Stage = (typeof STAGES)[number];

/** Done either way. */
const LAST: readonly Stage[] = ["COMPLETION STAGE", "FAILED STAGE"];
/** Seconds on a machine of its own; others may share it. */
const PATIENCE_MS = 60_000;

export function thumbnailClient(url: string): ThumbnailClient {
  const answerOf = async (response: Response): Promise<Answer> => ({ status: response.status, body: await response.json() });

  const client: ThumbnailClient = {
    async send(name, content) {
      const body = new FormData();
      body.append("file", new Blob([Uint8Array.from(content)]), name);
      return answerOf(await fetch(`${url}/uploadFile`, { method: "POST", body }));
    },
    async sent(name, content) {
      const { status, body } = await client.send(name, content);
      const id = typeof body === "object" && body !== null && "file_id" in body ? body.file_id : undefined;
      if (status !== 200 || typeof id !== "string") throw new Error(`${name}: ${status} ${JSON.stringify(body)}`);
      return id;
    },
    status: async (fileId) => answerOf(await fetch(`${url}/queryFileStatus/${fileId}`)),
    async stage(fileId) {
      const { status, body } = await client.status(fileId);
      const result = typeof body === "object" && body !== null && "result" in body ? body.result : undefined;
      const stage = STAGES.find((known) => known === result);
      if (status !== 200 || stage === undefined) throw new Error(`${fileId}: ${status} ${JSON.stringify(body)}`);
      return stage;
    },
    async followed(fileId, { withinMs = PATIENCE_MS } = {}) {
      const seen: Stage[] = [];
      await until(`${fileId} is done`, withinMs, async () => {
        const stage = await client.stage(fileId);
        const before = seen.at(-1);
        if (before !== undefined && STAGES.indexOf(stage) < STAGES.indexOf(before)) throw new Error(`${fileId}: ${before}, then ${stage}`);
        if (stage !== before) seen.push(stage);
        return LAST.includes(stage);
      });
      return seen;
    },
    thumbnail: (fileId) => fetch(`${url}/thumbnail/${fileId}`),
  };
  return client;
}
