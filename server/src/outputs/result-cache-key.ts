import { createHash, createHmac } from "node:crypto";
import { canonicalJson } from "../canonical-json.ts";

/** The steps that run in one go, as far as they decide what comes out. */
export interface ReusableStage {
  readonly kind: string;
  readonly reuse: "content" | "content_and_names";
  readonly steps: readonly ReusableStep[];
  /** Of a tree: the last node may make something else of the same inputs than the others. */
  readonly isRoot?: boolean | undefined;
}

export interface ReusableStep {
  readonly name: string;
  readonly use: string;
  readonly version: string;
  readonly with: Readonly<Record<string, unknown>>;
  readonly needs: readonly string[];
  readonly when?: { readonly media_type: readonly string[] };
  /** Is what it emits stored? */
  readonly keep: boolean;
}

export interface ReusableInput {
  /** The step of an earlier stage that made the file, "" for an input of the job. */
  readonly from: string;
  readonly sha256: Buffer;
  readonly mediaType: string;
  readonly name: string;
}

/** Makes keys for the entries of one task; the stage is described once. */
export interface ResultKeys {
  /** 32 bytes. map: one input; reduces: all, in order. */
  of(inputs: Iterable<ReusableInput>): Buffer;
}

/**
 * A key is the HMAC-SHA-256, under a key of the tenant, of everything that decides a result: so that equal work has one
 * key, and a key tells nobody whose content it was. Steps go by their places and not by their names, so that the same work in
 * another pipeline has the same key. Limits of time and size are left out: what succeeded within them is the same result.
 */
export function createResultKeys(secret: Buffer, stage: ReusableStage): ResultKeys {
  const places = new Map(stage.steps.map((step, place) => [step.name, place]));
  const outside = [...new Set(stage.steps.flatMap((step) => step.needs.filter((need) => !places.has(need))))].toSorted();
  const sourceOf = (name: string): string => {
    const place = places.get(name);
    return place === undefined ? `in ${outside.indexOf(name)}` : `step ${place}`;
  };
  const steps = stage.steps.map(({ use, version, with: parameters, needs, when, keep }) => ({
    ...{ use, version, parameters, keep, when: when?.media_type ?? null },
    needs: needs.map(sourceOf),
  }));
  const described = createHash("sha256")
    .update(canonicalJson({ kind: stage.kind, steps, ...(stage.isRoot === undefined ? {} : { isRoot: stage.isRoot }) }))
    .digest("hex");
  return {
    of(inputs) {
      const hmac = createHmac("sha256", secret).update(`filemill/result/v1\n${described}\n`);
      for (const { from, sha256, mediaType, name } of inputs) {
        const known = [stage.kind === "map" ? sourceOf(from) : "", sha256.toString("hex"), mediaType];
        // One line an input: JSON leaves no line break inside.
        hmac.update(`${JSON.stringify(stage.reuse === "content" ? known : [...known, name])}\n`);
      }
      return hmac.digest();
    },
  };
}
