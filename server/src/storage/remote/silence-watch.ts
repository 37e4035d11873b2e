/**
 * Tells a server that is gone from one that is slow. A request that has waited SUSPECT_AFTER_MS sends a probe, which all
 * waiting requests share. Only where that stays without an answer too, and not a byte moves meanwhile, the requests that
 * wait are given up: 1.5 s after the first of them began.
 */
export interface SilenceWatch {
  /** A request begins to wait; call what it gives when the answer is there. */
  begin(giveUp: (reason: Error) => void): () => void;
}

const SUSPECT_AFTER_MS = 700;
const PROBE_WITHIN_MS = 800;
/** Probes begin so far apart, so that one that is lost proves nothing. */
const PROBE_AGAIN_MS = 250;
const PROBES = 3;

export function createSilenceWatch(options: {
  readonly probe: (signal: AbortSignal) => Promise<unknown>;
  readonly moved: () => number;
}): SilenceWatch {
  const waiting = new Map<(reason: Error) => void, number>();
  let timer: NodeJS.Timeout | undefined;
  let looking = false;

  function schedule(): void {
    if (timer !== undefined || looking || waiting.size === 0) return;
    let oldest = Infinity;
    for (const since of waiting.values()) oldest = Math.min(oldest, since);
    timer = setTimeout(look, Math.max(0, oldest + SUSPECT_AFTER_MS - performance.now()));
  }

  async function look(): Promise<void> {
    timer = undefined;
    looking = true;
    const begun = performance.now();
    const isSuspect = [...waiting.values()].some((since) => since + SUSPECT_AFTER_MS <= begun + 1);
    if (isSuspect) {
      const cause = await silence(options);
      for (const [giveUp, since] of waiting) {
        // What began during the probe has its own turn.
        if (since > begun) continue;
        // Alive: it is asked about again when it has waited as long once more.
        if (cause === undefined) waiting.set(giveUp, performance.now());
        else giveUp(new ServerSilent({ cause }));
      }
    }
    looking = false;
    schedule();
  }

  return {
    begin(giveUp) {
      waiting.set(giveUp, performance.now());
      schedule();
      return () => {
        waiting.delete(giveUp);
        if (waiting.size > 0) return;
        clearTimeout(timer);
        timer = undefined;
      };
    },
  };
}

/** Why the server counts as silent, or undefined where it gave a sign of life. */
async function silence(options: Parameters<typeof createSilenceWatch>[0]): Promise<unknown> {
  const before = options.moved();
  const stop = new AbortController();
  const timers: NodeJS.Timeout[] = [];
  const after = (milliseconds: number) => new Promise<void>((resolve) => timers.push(setTimeout(resolve, milliseconds)));
  const late = after(PROBE_WITHIN_MS).then(() => {
    throw new Error(`no answer to a probe within ${PROBE_WITHIN_MS} ms`);
  });
  const probes = Array.from({ length: PROBES }, async (_unused, index) => {
    await after(index * PROBE_AGAIN_MS);
    stop.signal.throwIfAborted();
    await options.probe(stop.signal);
  });
  try {
    await Promise.race([Promise.any(probes), late]);
    return undefined;
  } catch (error) {
    // The probes' own few bytes are counted too, as sent: only more than those is a sign.
    return options.moved() - before > PROBES * PROBE_BYTES ? undefined : error;
  } finally {
    stop.abort();
    for (const timer of timers) clearTimeout(timer);
    for (const probe of probes) probe.catch(() => undefined);
    late.catch(() => undefined);
  }
}

/** More than the head of a signed request has. */
const PROBE_BYTES = 4_096;

/** Nothing moves, and the probe is not answered either: waiting or trying again helps nobody. */
export class ServerSilent extends Error {
  constructor(options: ErrorOptions) {
    super("the server is silent", options);
    this.name = "ServerSilent";
  }
}
