/**
 * Who may import whom: the one table behind the linter's import rules (oxlint.config.ts). An arrow that is not written
 * here is an error, so that a reader of a folder knows what it can't reach, and a folder can be tested or replaced alone.
 */

interface Folder {
  readonly may: readonly string[];
  /** Folders of which only these modules may be imported, as paths below server/src. */
  readonly only?: readonly string[];
  /** Files of the folder to which its row does not apply, with the reason beside the entry. */
  readonly except?: readonly string[];
}

/** What a processor is, without what it does: no codec is loaded through these. */
const DECLARATIONS = ["processors/catalogue.ts", "processors/describe.ts", "processors/processor.ts", "processors/stage-run.ts"];

/** Folders of server/src. Modules directly in server/src (errors, config, clock, failpoint) and telemetry/ are leaves: all may use them. */
export const SERVER_FOLDERS: Readonly<Record<string, Folder>> = {
  telemetry: { may: [] },
  db: { may: [] },
  net: { may: [] },
  storage: { may: [] },
  zip: { may: [] },
  processors: { may: ["zip"] },
  record: { may: ["db"], only: ["storage/stored-content.ts"] },
  tenants: { may: ["record", "db"] },
  queue: { may: ["record", "db"] },
  jobs: { may: ["queue", "tenants", "record", "db"], only: DECLARATIONS },
  uploads: { may: ["zip", "storage", "net", "jobs", "tenants", "record", "db"], only: DECLARATIONS },
  outputs: { may: ["zip", "storage", "tenants", "record", "db"] },
  status: { may: ["jobs", "net", "record", "db"] },
  lifecycle: { may: ["storage", "jobs", "outputs", "tenants", "record", "db"] },
  worker: { may: ["queue", "jobs", "processors", "storage", "outputs", "tenants", "record", "db"] },
  http: {
    may: ["uploads", "jobs", "outputs", "status", "tenants", "lifecycle", "record", "db"],
    only: [...DECLARATIONS, "queue/queries.ts"],
    // Composed in bin/: it names the types of what routes are given.
    except: ["services.ts"],
  },
};

/** Packages of ours that each workspace may import. `bench` measures the server from inside. */
export const WORKSPACES: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  server: ["contract"],
  sdk: ["contract"],
  cli: ["contract", "sdk"],
  apps: ["contract", "sdk"],
  acceptance: ["contract", "sdk"],
  bench: ["contract", "sdk", "server"],
};

/** Pattern of the linter rule no-restricted-imports; `group` is matched as in .gitignore, `!` takes back. */
export interface RestrictedPattern {
  group: string[];
  message: string;
}

/** What a module in `folder` of server/src may not import. */
export function forbiddenTo(folder: string): RestrictedPattern[] {
  const row = SERVER_FOLDERS[folder];
  if (row === undefined) throw new Error(`server/src/${folder} has no row in scripts/arrows.ts; say there what it may import`);
  const only = row.only ?? [];
  const forbidden = Object.keys(SERVER_FOLDERS).filter((other) => other !== folder && other !== "telemetry" && !row.may.includes(other));
  return forbidden.map((other) => {
    const taken = only.filter((path) => path.startsWith(`${other}/`));
    const instead = taken.length > 0 ? `only ${taken.join(", ")} of it` : `only of ${row.may.join(", ") || "the leaves"}`;
    return {
      group: [`../**/${other}/**`, ...taken.map((path) => `!../**/${path}`)],
      message: `${folder}/ may not import ${other}/ (${instead}): see scripts/arrows.ts.`,
    };
  });
}

/** What a module of `workspace` may not import: other packages of ours, and their files by path. */
export function foreignTo(workspace: string): RestrictedPattern[] {
  const may = WORKSPACES[workspace];
  if (may === undefined) throw new Error(`${workspace}/ has no row in scripts/arrows.ts; say there what it may import`);
  const foreign = Object.keys(WORKSPACES).filter((other) => other !== workspace && !may.includes(other));
  if (foreign.length === 0) return [];
  return foreign.map((other) => ({
    group: [`@filemill/${other}`, `@filemill/${other}/**`],
    message: `${workspace} may not import ${other}: see scripts/arrows.ts.`,
  }));
}
