import { mayUse, type NamedSource } from "../../config-sources.ts";
import type { CollectedSource } from "@filemill/contract/source.ts";
import { SourceError } from "../../jobs/sources/source.ts";
import type { SourceContext } from "./source-context.ts";

/**
 * The operator's source of that name, as this tenant may use it. One that is not there, is of another kind or is meant for
 * others answers the same.
 */
export async function namedSource<Kind extends NamedSource["kind"]>(
  { config, tenantId, tenantName }: SourceContext<CollectedSource>,
  { name, kind }: { name: string; kind: Kind },
): Promise<Extract<NamedSource, { kind: Kind }>> {
  const source = config.named.get(name);
  if (source !== undefined && isKind(source, kind) && mayUse(source, await tenantName(tenantId))) return source;
  const message = `There is no ${kind} source "${name}" for this tenant. The operator names sources with FILEMILL_SOURCE_<NAME>.`;
  throw new SourceError("source_refused", "bad_input", message);
}

function isKind<Kind extends NamedSource["kind"]>(source: NamedSource, kind: Kind): source is Extract<NamedSource, { kind: Kind }> {
  return source.kind === kind;
}
