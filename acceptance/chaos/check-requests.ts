import { sha256 } from "./content.ts";
import type { LedgerRequest } from "./ledger.ts";
import { post, type Accepted } from "./load-client.ts";
import type { Site } from "./site.ts";

/** Requests that are sent again, at most: those that nobody answered first. */
const REPEATED = 40;

/**
 * C1: every acknowledged file is readable, and is what was sent. C4: a request took effect once where it was
 * acknowledged, else at most once; every answer under one key is the same, also the one to a repetition now.
 */
export async function checkRequests(site: Site, requests: readonly LedgerRequest[]): Promise<string[]> {
  const findings: string[] = [];
  for (const request of requests) {
    const { key } = request.intent;
    const bodies = new Set(request.acknowledged.map(({ status, body }) => `${status} ${body}`));
    if (bodies.size > 1) findings.push(`C4: ${key} had ${bodies.size} different answers`);
    const [first] = request.acknowledged;
    if (first) findings.push(...(await readable(site, request, JSON.parse(first.body) as Accepted)));
    findings.push(...(await effects(site, request, { least: first ? 1 : 0 })));
  }
  const uncertain = requests.filter(({ failures }) => failures.length > 0);
  const others = requests.filter(({ failures }) => failures.length === 0);
  for (const request of [...uncertain, ...others].slice(0, REPEATED)) {
    const { key } = request.intent;
    const answers = new Set(request.acknowledged.map(({ status, body }) => `${status} ${body}`));
    for (let time = 0; time < 2; time++) {
      const { status, body } = await post(site.url, site.key, request.intent);
      answers.add(`${status} ${body}`);
    }
    if (answers.size > 1) findings.push(`C4: ${key} repeated gives another answer: ${[...answers].join(" / ").slice(0, 600)}`);
    findings.push(...(await effects(site, request, { least: 1 })));
  }
  return findings;
}

async function readable(site: Site, { intent }: LedgerRequest, accepted: Accepted): Promise<string[]> {
  const findings: string[] = [];
  if (accepted.files.length !== intent.files.length) findings.push(`C1: ${intent.key} was acknowledged for ${accepted.files.length} files`);
  for (const [index, file] of intent.files.entries()) {
    const id = accepted.files[index]?.id;
    const answer = await fetch(`${site.url}/api/v1/files/${id}/content`, { headers: { authorization: `Bearer ${site.key}` } });
    const content = Buffer.from(await answer.arrayBuffer().catch(() => new ArrayBuffer(0)));
    if (answer.status !== 200) findings.push(`C1: ${file.name} of ${intent.key} was acknowledged and answers ${answer.status}`);
    else if (sha256(content) !== file.sha256) findings.push(`C1: ${file.name} of ${intent.key} has other bytes than were sent`);
  }
  return findings;
}

async function effects({ database }: Site, { intent }: LedgerRequest, { least }: { least: number }): Promise<string[]> {
  const [row] = await database.query<{ files: number; jobs: number; keys: number }>(
    `SELECT (SELECT count(*) FROM filemill.files WHERE metadata->>'key' = $1 AND origin = 'upload')::int AS files,
            (SELECT count(*) FROM filemill.job_specs WHERE metadata->>'key' = $1)::int AS jobs,
            (SELECT count(*) FROM filemill.idempotency_keys WHERE key = $1)::int AS keys`,
    [intent.key],
  );
  const files = (row?.files ?? 0) / intent.files.length;
  const jobs = intent.pipeline === undefined ? files : row?.jobs;
  if (files === jobs && files === row?.keys && (files === 1 || files === least)) return [];
  return [`C4: ${intent.key} took effect ${files} times in files, ${jobs} in jobs, ${row?.keys} in keys`];
}
