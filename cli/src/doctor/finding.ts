import type { Context } from "../context.ts";

/** `advice` says what to do; only with `ok: false`. */
export interface Finding {
  readonly ok: boolean;
  readonly found: string;
  readonly advice?: string;
}

export interface Check {
  readonly name: string;
  look(context: Context): Promise<Finding>;
}
