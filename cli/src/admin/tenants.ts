import type { TenantUsage } from "@filemill/contract/usage.ts";
import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, size, table } from "../terminal/print.ts";
import { limitOption, take } from "../terminal/take.ts";

export function adminTenants(context: Context): Command {
  return verb("tenants", "list tenants with what they keep and may keep")
    .addOption(limitOption())
    .action(async (options: JsonOption & { limit: number }) => {
      const client = await clientOf(context);
      const list = client.admin.tenants({ limit: Math.min(options.limit, 200), signal: context.signal });
      const tenants = await take(list, options.limit);
      printResult(context, options, {
        json: { data: tenants },
        text: () => table(["ID", "FILES", "BYTES", "LIMIT", "NAME"], tenants.map(row)),
      });
    });
}

function row({ tenant_id, used, limits, name }: TenantUsage): string[] {
  const most = [limits.files === null ? [] : [`${limits.files} files`], limits.bytes === null ? [] : [size(limits.bytes)]].flat();
  return [tenant_id, String(used.files), size(used.bytes), most.length === 0 ? "none" : most.join(", "), name];
}
