import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** Programs that the services suites run, and the Debian package of each. */
const PROGRAMS: Readonly<Record<string, string>> = {
  bwrap: "bubblewrap",
  ceph: "ceph-common",
  "ceph-mgr": "ceph-mgr",
  "ceph-mon": "ceph-mon",
  "ceph-osd": "ceph-osd",
  gcc: "gcc",
  prlimit: "util-linux",
  ps: "procps",
  radosgw: "radosgw",
  "redis-server": "redis-server",
  setpriv: "util-linux",
  spin: "spin",
};

/** Set-up of vitest.services.config.ts: a missing program fails the run, because a suite that skips proves nothing. */
export default async function requirePrograms(): Promise<void> {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const missing: string[] = [];
  for (const program of Object.keys(PROGRAMS)) {
    if (!(await foundIn(folders, program))) missing.push(program);
  }
  if (missing.length === 0) return;
  const packages = missing.map((program) => PROGRAMS[program]).join(" ");
  throw new Error(`These programs are missing: ${missing.join(", ")}. Install them first: apt-get install -y ${packages}`);
}

async function foundIn(folders: readonly string[], program: string): Promise<boolean> {
  for (const folder of folders) {
    try {
      await access(join(folder, program), constants.X_OK);
      return true;
    } catch {
      // Not in this folder; the next may have it.
    }
  }
  return false;
}
