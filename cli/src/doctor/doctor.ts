import type { Command } from "commander";
import type { Context } from "../context.ts";
import { EXIT, explain } from "../exit.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";
import { CHECKS } from "./checks.ts";
import type { Check, Finding } from "./finding.ts";

export function doctor(context: Context): Command {
  return verb("doctor", "look for what keeps the platform from working").action(async (options: JsonOption) => {
    const findings = await Promise.all(CHECKS.map(async (check) => ({ name: check.name, ...(await look(check, context)) })));
    const healthy = findings.every((finding) => finding.ok);
    printResult(context, options, {
      json: { healthy, checks: findings },
      text: () =>
        findings.flatMap((finding) => [
          `${finding.ok ? "ok  " : "fail"}  ${finding.name.padEnd(13)}${finding.found}`,
          ...(finding.advice === undefined ? [] : [`      → ${finding.advice}`]),
        ]),
    });
    if (!healthy) context.exitCode = EXIT.failure;
  });
}

/** A check that can't be made, such as for a variable that makes no sense, leaves the others standing. */
async function look(check: Check, context: Context): Promise<Finding> {
  try {
    return await check.look(context);
  } catch (error) {
    return { ok: false, found: explain(error).lines.join(" ") };
  }
}
