import { writeFile } from "node:fs/promises";
import { Session, type Profiler } from "node:inspector/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RecordedProfile } from "../../processors/stage-run.ts";

/** V8's own default. */
const SAMPLE_EVERY_MICROSECONDS = 1_000;
/**
 * What is recorded of one task at most: the first minute, and as many samples as a host samples in three (a processor that
 * never gives the event loop a turn is not stopped in time). 200,000 are 2–3 MB.
 */
const MOST_MS = 60_000;
const MOST_SAMPLES = 200_000;
const FILE_NAME = "profile";
const PROJECT = new URL("../../../../", import.meta.url).href;

/**
 * Runs a task's steps under V8's sampling profiler and writes what it saw into `scratch`, as .cpuprofile. The result is the
 * work's own; a profile that can't be had is left out, since it must not cost the task.
 */
export async function recordProfile<T>(
  scratch: string,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly profile: RecordedProfile | undefined }> {
  const recording = await startRecording();
  const started = performance.now();
  const before = process.cpuUsage();
  try {
    const result = await work();
    const wallMs = performance.now() - started;
    const { user, system } = process.cpuUsage(before);
    return { result, profile: await keep(recording, { scratch, wallMs, cpuMs: (user + system) / 1_000 }) };
  } finally {
    await recording.close();
  }
}

interface Recording {
  /** Undefined: there is none. */
  stop(): Promise<{ readonly profile: Profiler.Profile; readonly isCut: boolean } | undefined>;
  close(): Promise<void>;
}

async function startRecording(): Promise<Recording> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: SAMPLE_EVERY_MICROSECONDS });
  await session.post("Profiler.start");
  let stopped: Promise<Profiler.Profile | undefined> | undefined;
  let isCut = false;
  const stop = () =>
    (stopped ??= session.post("Profiler.stop").then(
      ({ profile }) => profile,
      () => undefined,
    ));
  const timer = setTimeout(() => {
    isCut = true;
    void stop();
  }, MOST_MS).unref();
  return {
    async stop() {
      clearTimeout(timer);
      const profile = await stop();
      return profile && { profile, isCut };
    },
    async close() {
      clearTimeout(timer);
      await stop();
      session.disconnect();
    },
  };
}

async function keep(
  recording: Recording,
  { scratch, wallMs, cpuMs }: { scratch: string; wallMs: number; cpuMs: number },
): Promise<RecordedProfile | undefined> {
  const recorded = await recording.stop();
  if (!recorded) return undefined;
  const samples = recorded.profile.samples ?? [];
  const text = JSON.stringify(withoutOurFolders(samples.length > MOST_SAMPLES ? cut(recorded.profile) : recorded.profile));
  const path = join(scratch, FILE_NAME);
  try {
    await writeFile(path, text, { flag: "wx" });
  } catch {
    // The scratch disk is full, or the processor wrote a file of that name.
    return undefined;
  }
  return { path, sizeBytes: Buffer.byteLength(text), wallMs, cpuMs, isCut: recorded.isCut || samples.length > MOST_SAMPLES };
}

function cut(profile: Profiler.Profile): Profiler.Profile {
  const timeDeltas = (profile.timeDeltas ?? []).slice(0, MOST_SAMPLES);
  const endTime = profile.startTime + timeDeltas.reduce((sum, delta) => sum + delta, 0);
  return { ...profile, samples: (profile.samples ?? []).slice(0, MOST_SAMPLES), timeDeltas, endTime };
}

/** Tenants are told which of our files a function is in, and not where on this machine that lies. */
function withoutOurFolders(profile: Profiler.Profile): Profiler.Profile {
  const nodes = profile.nodes.map((node) => ({ ...node, callFrame: { ...node.callFrame, url: shown(node.callFrame.url) } }));
  return { ...profile, nodes };
}

function shown(url: string): string {
  const file = url.startsWith("/") ? `file://${url}` : url;
  if (file.startsWith(PROJECT)) return file.slice(PROJECT.length);
  if (!file.startsWith("file://")) return file;
  return fileURLToPath(file).split("/").slice(-2).join("/");
}
