import { setTimeout as delay } from "node:timers/promises";

/** What the app says of a job; only what the tests look at. */
export interface JobRecord {
  readonly jobId: string;
  readonly cin: string;
  readonly companyName: string;
  readonly jobStatus: string;
  readonly progress: number;
  readonly lockedBy: string | null;
  readonly lockedAt: string | null;
  readonly processingStages: {
    readonly documentDownload: {
      readonly status: string;
      readonly totalDocuments: number;
      readonly downloadedDocuments: number;
      readonly pendingDocuments: number;
      readonly lastUpdated: string;
    };
  };
}

export interface DocumentRecord {
  readonly jobId: string;
  readonly documentNumber: number;
  readonly companyName: string;
  readonly cin: string;
  readonly documentType: string;
  readonly fileName: string;
  readonly blobUrl: string;
  readonly fileSize: number;
  readonly checksum: string;
  readonly downloadedAt: string;
  readonly createdAt: string;
}

export interface FilingsClient {
  create(body: unknown): Promise<{ readonly status: number; readonly body: unknown }>;
  get(path: string): Promise<{ readonly status: number; readonly body: unknown }>;
  job(id: string): Promise<JobRecord>;
  documents(id: string): Promise<DocumentRecord[]>;
  /** Looks at a job until it has ended; what was wrong with what was seen is in `findings`. */
  followed(id: string, withinMs: number): Promise<Followed>;
}

export interface Followed {
  readonly job: JobRecord;
  readonly statuses: readonly string[];
  readonly findings: readonly string[];
}

const LOOK_MS = 100;

export function filingsClient(url: string): FilingsClient {
  const ask = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(`${url}${path}`, init);
    return { status: answer.status, body: await answer.json() };
  };
  // Whether answers have these shapes is what the tests find out.
  const job = async (id: string) => (await ask(`/jobs/${id}`)).body as JobRecord;
  return {
    create: (body) => ask("/create-job", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    get: (path) => ask(path),
    job,
    documents: async (id) => ((await ask(`/jobs/${id}/documents`)).body as { documents: DocumentRecord[] }).documents,
    async followed(id, withinMs) {
      const until = performance.now() + withinMs;
      const statuses: string[] = [];
      const findings: string[] = [];
      let [progress, downloaded] = [0, 0];
      for (;;) {
        const now = await job(id);
        const stage = now.processingStages.documentDownload;
        if (statuses.at(-1) !== now.jobStatus) statuses.push(now.jobStatus);
        if (now.progress < progress || now.progress > 100) findings.push(`progress went from ${progress} to ${now.progress}`);
        if (stage.downloadedDocuments < downloaded) findings.push(`downloaded went from ${downloaded} to ${stage.downloadedDocuments}`);
        if (stage.downloadedDocuments + stage.pendingDocuments !== stage.totalDocuments)
          findings.push(`counts do not add up: ${JSON.stringify(stage)}`);
        if ((now.lockedBy === null) !== (now.lockedAt === null)) findings.push("locked by nobody, or since never");
        [progress, downloaded] = [now.progress, stage.downloadedDocuments];
        if (now.jobStatus === "completed" || now.jobStatus === "failed") return { job: now, statuses, findings };
        if (performance.now() > until) throw new Error(`${id} has not ended after ${withinMs} ms: ${JSON.stringify(now)}`);
        await delay(LOOK_MS);
      }
    },
  };
}
