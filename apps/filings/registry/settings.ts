import type { Environment } from "../../start/app.ts";
import { AppError } from "../../start/app-error.ts";

/** How the registry behaves. Shares are of requests for documents, 0–1. */
export interface RegistrySettings {
  readonly port: number;
  /** Part of every chance: the same seed fails for the same requests. */
  readonly seed: string;
  /** Before a document comes, ms. */
  readonly delayMs: number;
  readonly slowShare: number;
  /** How long a slow one takes, ms. */
  readonly slowMs: number;
  /** Answered 503. */
  readonly failShare: number;
  /** Announces more bytes than it sends. */
  readonly lieShare: number;
  /** Documents that are pictures of pages. */
  readonly scannedShare: number;
  /** Documents that are served a second time, under the next number. */
  readonly repeatShare: number;
}

export const DEFAULT_PORT = 5002;

/** REGISTRY_PORT, _SEED, _DELAY_MS, _SLOW_RATE, _SLOW_MS, _FAILURE_RATE, _LIE_RATE, _SCAN_RATE and _REPEAT_RATE. Throws AppError. */
export function registrySettings(environment: Environment): RegistrySettings {
  const number = (name: string, usual: number, most: number) => {
    const value = Number(environment[name] || usual);
    if (Number.isFinite(value) && value >= 0 && value <= most) return value;
    throw new AppError(`${name} is "${environment[name]}"; set it to a number from 0 to ${most}.`);
  };
  return {
    port: number("REGISTRY_PORT", DEFAULT_PORT, 65_535),
    seed: environment["REGISTRY_SEED"] || "1",
    delayMs: number("REGISTRY_DELAY_MS", 1_000, 600_000),
    slowShare: number("REGISTRY_SLOW_RATE", 0.02, 1),
    slowMs: number("REGISTRY_SLOW_MS", 5_000, 600_000),
    failShare: number("REGISTRY_FAILURE_RATE", 0.05, 1),
    lieShare: number("REGISTRY_LIE_RATE", 0, 1),
    scannedShare: number("REGISTRY_SCAN_RATE", 0.15, 1),
    repeatShare: number("REGISTRY_REPEAT_RATE", 0, 1),
  };
}
