import type { Site } from "./site.ts";

/** What Node and the product write when something escaped them. */
const ESCAPED = /unhandled ?rejection|uncaught|"level":"fatal"|ERR_UNHANDLED/i;
const RESTARTED = /"child":"API".*a process ended by itself/g;

/** C9: no process died that the scenario did not end, and none said that an error escaped it. */
export function checkProcesses(site: Pick<Site, "programs">, apiKills: number): string[] {
  const findings: string[] = [];
  for (const program of site.programs()) {
    const death = program.diedByItself();
    if (death !== undefined) findings.push(`C9: ${program.name} ended by itself (${death}):\n${program.log().slice(-2_000)}`);
    const line = program
      .log()
      .split("\n")
      .find((text) => ESCAPED.test(text));
    if (line !== undefined) findings.push(`C9: ${program.name} wrote: ${line.slice(0, 500)}`);
  }
  const restarts = site.programs()[0]?.log().match(RESTARTED)?.length ?? 0;
  if (restarts > apiKills) findings.push(`C9: the API ended ${restarts} times, of which the scenario killed it ${apiKills} times`);
  return findings;
}
