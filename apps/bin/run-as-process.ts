import type { App } from "../start/app.ts";
import { AppError } from "../start/app-error.ts";
import { openApps, type OpenApps } from "../start/open-apps.ts";

/**
 * Runs apps until SIGINT or SIGTERM, or until the platform that was started for them has ended; then stops everything and
 * exits: 0 where it was asked to, else 1. A second signal exits at once.
 */
export async function runAsProcess(apps: readonly App[]): Promise<void> {
  const interrupted = new AbortController();
  const asked = new Promise<void>((resolve) => {
    for (const name of ["SIGINT", "SIGTERM"] as const) {
      process.on(name, () => {
        if (interrupted.signal.aborted) process.exit(1);
        interrupted.abort();
        resolve();
      });
    }
  });
  let open: OpenApps | undefined;
  let code = 0;
  try {
    open = await openApps(apps, { environment: process.env, signal: interrupted.signal });
    for (const { name, url } of open.addresses) console.log(`${name}: ${url}`);
    const lost = open.platform.ended.then(() => {
      if (!interrupted.signal.aborted) throw new AppError("The platform has ended by itself; see above.");
    });
    await Promise.race([asked, lost]);
  } catch (error) {
    if (!interrupted.signal.aborted) {
      console.error(error instanceof AppError ? error.message : error);
      code = 1;
    }
  }
  interrupted.abort();
  await open?.close();
  process.exit(code);
}
