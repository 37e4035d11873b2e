/**
 * Loaded before a program (NODE_OPTIONS=--import=…): its calendar is CHAOS_SKEW_MS ahead of ours, or behind. Monotonic
 * time and timers go on as they do, as on a machine whose clock was set wrong.
 */
const skewMs = Number(process.env["CHAOS_SKEW_MS"] ?? 0);
const RealDate = Date;

globalThis.Date = class extends RealDate {
  constructor(...args: [] | [value: number | string | Date]) {
    if (args.length === 0) super(RealDate.now() + skewMs);
    // The other forms say which moment they mean.
    else super(...args);
  }
  static override now(): number {
    return RealDate.now() + skewMs;
  }
} as DateConstructor;

export {};
