import type { CpuProfile, ProfileNode } from "./cpu-profile.ts";

export interface FunctionTime {
  readonly name: string;
  /** File and line; empty for what is no function, such as "(garbage collector)". */
  readonly place: string;
  /** In the function itself. */
  readonly selfMs: number;
  /** With what it called. */
  readonly totalMs: number;
  /** Of `selfMs` in all time that was not idle, 0 to 1. */
  readonly share: number;
}

/** Where the time of all the profiles together went, by function, the largest self time first; idle time is left out. */
export function topFunctions(profiles: readonly CpuProfile[]): FunctionTime[] {
  const times = new Map<string, { name: string; place: string; selfUs: number; totalUs: number }>();
  const at = (node: ProfileNode) => {
    const key = keyOf(node);
    const known = times.get(key);
    if (known) return known;
    const created = { name: node.callFrame.functionName || "(anonymous)", place: placeOf(node), selfUs: 0, totalUs: 0 };
    times.set(key, created);
    return created;
  };
  for (const profile of profiles) {
    const self = selfTimes(profile);
    const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
    const root = profile.nodes[0];
    if (root) addTotals(root, { nodes, self, above: new Set(), add: (node, us) => (at(node).totalUs += us) });
    for (const node of profile.nodes) at(node).selfUs += self.get(node.id) ?? 0;
  }
  const shown = [...times.values()].filter(({ name }) => !NOT_WORK.has(name));
  const all = shown.reduce((sum, { selfUs }) => sum + selfUs, 0);
  return shown
    .map(({ name, place, selfUs, totalUs }) => ({
      ...{ name, place, selfMs: selfUs / 1_000, totalMs: totalUs / 1_000 },
      share: all === 0 ? 0 : selfUs / all,
    }))
    .toSorted((left, right) => right.selfMs - left.selfMs || right.totalMs - left.totalMs);
}

const NOT_WORK = new Set(["(root)", "(idle)"]);

/** A sample stands for the time until the next one. */
function selfTimes({ samples, timeDeltas, startTime, endTime }: CpuProfile): Map<number, number> {
  const self = new Map<number, number>();
  let now = startTime;
  samples.forEach((id, index) => {
    now += timeDeltas[index] ?? 0;
    const lasted = timeDeltas[index + 1] ?? Math.max(0, endTime - now);
    self.set(id, (self.get(id) ?? 0) + lasted);
  });
  return self;
}

interface Walk {
  readonly nodes: ReadonlyMap<number, ProfileNode>;
  readonly self: ReadonlyMap<number, number>;
  /** Functions that this call lies in: one that calls itself counts once. */
  readonly above: Set<string>;
  readonly add: (node: ProfileNode, us: number) => void;
}

/** Gives the time of the node and all below it. A call tree is as deep as the stack was: no deeper than this may recurse. */
function addTotals(node: ProfileNode, walk: Walk): number {
  const key = keyOf(node);
  const isOuter = !walk.above.has(key);
  if (isOuter) walk.above.add(key);
  let us = walk.self.get(node.id) ?? 0;
  for (const id of node.children ?? []) {
    const child = walk.nodes.get(id);
    if (child) us += addTotals(child, walk);
  }
  if (isOuter) {
    walk.above.delete(key);
    walk.add(node, us);
  }
  return us;
}

function keyOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  return `${functionName}\n${url}\n${lineNumber}`;
}

/** Lines are counted from 0 in a profile. */
function placeOf({ callFrame: { url, lineNumber } }: ProfileNode): string {
  return url === "" ? "" : `${url}:${lineNumber + 1}`;
}
