import type { ProcessorLimits } from "../../src/processors/processor.ts";

export const DEMO_LIMITS: ProcessorLimits = { memoryBytes: 256 * 2 ** 20, wallMs: 60_000, outputBytes: 2 ** 30, outputFiles: 10_000 };
