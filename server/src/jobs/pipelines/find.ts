import type { PipelineResource } from "@filemill/contract/pipelines.ts";
import type { Transaction } from "../../db/database.ts";
import { Problem } from "../../errors.ts";
import { BUILT_IN_PIPELINES, type BuiltInPipeline } from "./built-in.ts";
import { didYouMean } from "./nearest.ts";
import { getPipeline, listPipelines } from "./store.ts";

const REFERENCE = /^([^@]+)(?:@([1-9]\d{0,8}))?$/;
const NAMES_LOOKED_AT = 1_000;

/**
 * The pipeline called `name`, or `name@version`, of the tenant that the transaction serves; else the built-in one (which
 * has no versions). Throws Problem not_found, with the name that was probably meant.
 */
export async function findPipeline(transaction: Transaction, reference: string): Promise<PipelineResource> {
  const [, name = reference, version] = REFERENCE.exec(reference) ?? [];
  const own = await getPipeline(transaction, { name, ...(version !== undefined && { version: Number(version) }) });
  if (own) return own;
  const builtIn = BUILT_IN_PIPELINES.find((pipeline) => pipeline.name === name);
  if (builtIn && version === undefined) return resourceOfBuiltIn(builtIn);
  const latest = await getPipeline(transaction, { name });
  const names = [...(await listPipelines(transaction, { limit: NAMES_LOOKED_AT })), ...BUILT_IN_PIPELINES].map((pipeline) => pipeline.name);
  const hint = latest ? ` Its latest version is ${latest.version}.` : suggestionOf(name, names);
  throw new Problem("not_found", `There is no pipeline "${reference}".${hint}`);
}

export function resourceOfBuiltIn(document: BuiltInPipeline): PipelineResource {
  return { id: null, name: document.name, version: null, built_in: true, document, created_at: null };
}

function suggestionOf(name: string, names: readonly string[]): string {
  const { suggestion } = didYouMean(name, names);
  return ` ${suggestion ?? "GET /api/v1/pipelines lists those there are."}`;
}
