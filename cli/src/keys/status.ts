import type { KeyStatusResource } from "@filemill/contract/keys.ts";
import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";

export function keysStatus(context: Context): Command {
  return verb("status", "under which keys everything is encrypted (for operators)").action(async (options: JsonOption) => {
    const { keys } = await clientOf(context);
    const status = await keys.status();
    printResult(context, options, { json: status, text: () => statusLines(status) });
  });
}

export function statusLines({ root, tenants }: KeyStatusResource): string[] {
  const spare = root.versions?.filter((version) => version !== root.version && !root.used_versions.includes(version)) ?? [];
  return [
    `root key: ${root.provider}, ${root.version}`,
    ...(spare.length === 0 ? [] : [`root keys that nothing needs any more: ${spare.join(", ")}`]),
    `tenants with keys: ${tenants.with_keys}, retired versions: ${tenants.retired_versions}`,
    `to be wrapped anew: ${root.tenant_keys_to_rewrap} tenants' keys, ${tenants.object_keys_to_rewrap} objects' keys`,
  ];
}
