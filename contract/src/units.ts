import { z } from "zod";
import { DURATION, SIZE } from "./parse-units.ts";

export const Size = z.string().regex(SIZE, 'must be a size with a unit, such as "50MiB"');
export const Duration = z.string().regex(DURATION, 'must be a duration with a unit, such as "90s"');
