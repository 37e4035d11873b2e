import { createHash } from "node:crypto";
import { until } from "../chaos/conditions.ts";
import type { Chance } from "../chaos/seed.ts";
import type { FilingsClient, Followed } from "./filings-client.ts";
import { workersOf } from "./processes.ts";

interface CrashRun {
  readonly client: FilingsClient;
  /** What the app's registry has. */
  readonly registryUrl: string;
  readonly workerMetricsUrl: string;
  /** Of `npm start`. */
  readonly platformPid: number;
  readonly chance: Chance;
  readonly jobs: number;
  /** Of workers, while the jobs run. */
  readonly kills: number;
}

/** A lease ends 15 s after its worker was killed; a busy machine takes its time for the rest. */
const DONE_WITHIN_MS = 400_000;
const WORKERS_BACK_WITHIN_MS = 60_000;

/** What may come behind a status: a run's worker may be lost at any moment, and then the job waits again. */
const NEXT: Readonly<Record<string, readonly string[]>> = {
  pending: ["processing", "in_progress", "completed"],
  processing: ["in_progress", "pending", "completed"],
  in_progress: ["pending", "processing", "completed"],
  completed: [],
};

/**
 * Workers are killed with -9 at random moments while jobs of companies run. Resolves to what is wrong then: a job that did not
 * complete, a status that may not follow, progress that went back, a document that is missing, there twice or not as its
 * record says, figures that do not add up.
 */
export async function crashRun(run: CrashRun): Promise<string[]> {
  const { client, jobs } = run;
  const before = await figuresOf(run);
  const { status, body } = await client.create({ num_jobs: jobs });
  if (status !== 200) return [`POST /create-job answered ${status}: ${JSON.stringify(body)}`];
  const created = (body as { jobs: { jobId: string; cin: string; companyName: string }[] }).jobs;
  const findings = created.length === jobs ? [] : [`${jobs} jobs were ordered, ${created.length} made`];
  const followed = created.map(({ jobId }) =>
    client.followed(jobId, DONE_WITHIN_MS).catch((error: unknown) => void findings.push(String(error))),
  );
  let open = true;
  const ended = Promise.all(followed).finally(() => (open = false));
  await killWorkers(run, () => open);
  let documents = 0;
  for (const [index, found] of (await ended).entries()) {
    const company = created[index];
    if (found === undefined || company === undefined) continue;
    findings.push(...statusFindings(found), ...(await documentFindings(run, company)));
    documents += found.job.processingStages.documentDownload.totalDocuments;
  }
  const after = await figuresOf(run);
  const counted = after.downloaded - before.downloaded;
  if (counted !== documents) findings.push(`metrics say ${counted} documents were downloaded, and it were ${documents}`);
  if (after.lost === before.lost) findings.push("no kill met a worker that had a job");
  await until("all workers are back", WORKERS_BACK_WITHIN_MS, async () => (await workersOf(run.platformPid)).length >= 2);
  return findings;
}

function statusFindings({ job, statuses, findings }: Followed): string[] {
  const found = findings.map((finding) => `${job.jobId}: ${finding}`);
  if (job.jobStatus !== "completed" || job.progress !== 100) found.push(`${job.jobId} is ${job.jobStatus}, ${job.progress} %`);
  statuses.forEach((status, index) => {
    const next = statuses[index + 1];
    if (next !== undefined && !NEXT[status]?.includes(next)) found.push(`${job.jobId}: ${status}, then ${next}`);
  });
  return found;
}

/** Each document that the registry lists is there once, with the text of that very document. */
async function documentFindings(
  { client, registryUrl }: CrashRun,
  { jobId, cin, companyName }: { jobId: string; cin: string; companyName: string },
): Promise<string[]> {
  const listed = (await (await fetch(`${registryUrl}/companies/${cin}`)).json()) as { documents: { documentType: string }[] };
  const documents = await client.documents(jobId);
  const numbers = documents.map(({ documentNumber }) => documentNumber).join();
  const expected = listed.documents.map((_document, index) => index + 1).join();
  const findings = numbers === expected ? [] : [`${jobId} has documents ${numbers}, not ${expected}`];
  for (const document of documents) {
    const what = `${jobId}, document ${document.documentNumber}`;
    const bytes = Buffer.from(await (await fetch(document.blobUrl)).arrayBuffer());
    const digest = createHash("sha256").update(bytes).digest("hex");
    if (bytes.length !== document.fileSize || digest !== document.checksum) findings.push(`${what}: size or checksum is another`);
    const type = listed.documents[document.documentNumber - 1]?.documentType ?? "none";
    if (document.documentType !== type) findings.push(`${what} is recorded as ${document.documentType}, not ${type}`);
    const text = bytes.toString();
    for (const part of [cin, companyName, `document_${document.documentNumber}\n`, type.toUpperCase()]) {
      if (!text.includes(part)) findings.push(`${what} does not say "${part}"`);
    }
  }
  return findings;
}

/** One at a time, each at another moment of the jobs, and never the same process twice. */
async function killWorkers({ client, platformPid, chance, kills }: CrashRun, isOpen: () => boolean): Promise<void> {
  const killed = new Set<number>();
  for (let count = 0; count < kills; count++) {
    const looks = chance.between(1, 20);
    let seen = 0;
    const fresh = await until("a worker has a job", DONE_WITHIN_MS, async () => {
      if (!isOpen()) return [];
      const { body } = await client.get("/jobs");
      const isLocked = (body as { jobs: { lockedBy: string | null }[] }).jobs.some(({ lockedBy }) => lockedBy !== null);
      const workers = (await workersOf(platformPid)).filter((pid) => !killed.has(pid));
      return isLocked && workers.length > 0 && ++seen >= looks && workers;
    });
    const victim = fresh[chance.between(0, fresh.length)];
    if (victim === undefined) return;
    killed.add(victim);
    process.kill(victim, "SIGKILL");
  }
}

async function figuresOf({ workerMetricsUrl }: CrashRun): Promise<{ downloaded: number; lost: number }> {
  const text = await (await fetch(workerMetricsUrl)).text();
  const read = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
  return { downloaded: read("documents_downloaded_total"), lost: read("lock_cleanup_total") };
}
