import type { Client } from "pg";
import pg from "pg";

/** Who logs in: the server's processes. Never an owner of tables, so that FORCEd row-level security can't be turned off. */
export interface LoginRole {
  readonly name: string;
  readonly password: string;
}

const GROUP_ROLES = ["filemill_owner", "filemill_app", "filemill_system"] as const;
const SERVED_ROLES = ["filemill_app", "filemill_system"] as const;

/**
 * Makes what is missing of the three roles that migrations name, lets the connected user act as filemill_owner, and lets
 * that role create schemas in this database. With `login`, also that login role: NOSUPERUSER NOINHERIT, so that it has no
 * rights but those of the role it names in each transaction; without, the connected user gets to serve. Roles belong to the whole server, hence migrators of two
 * databases can meet here; what another made meanwhile is taken as made. Rejects with the server's error where the user
 * may not create roles and some are missing.
 */
export async function createRoles(client: Client, login?: LoginRole): Promise<void> {
  for (const role of GROUP_ROLES) {
    await once(client, roleExists(role), `CREATE ROLE ${role} NOLOGIN NOSUPERUSER NOINHERIT`);
  }
  const mayBecome = await membershipTest(client);
  await once(client, mayBecome("current_user", "filemill_owner"), "GRANT filemill_owner TO current_user");
  await allowSchemas(client);
  if (login) return createLogin(client, login, mayBecome);
  for (const role of SERVED_ROLES) {
    await once(client, mayBecome("current_user", role), `GRANT ${role} TO current_user`);
  }
}

async function createLogin(client: Client, login: LoginRole, mayBecome: MembershipTest): Promise<void> {
  const name = pg.escapeIdentifier(login.name);
  const literal = pg.escapeLiteral(login.name);
  await once(
    client,
    roleExists(login.name),
    `CREATE ROLE ${name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD ${pg.escapeLiteral(login.password)}`,
  );
  for (const role of SERVED_ROLES) {
    await once(client, mayBecome(literal, role), `GRANT ${role} TO ${name}`);
  }
}

async function allowSchemas(client: Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>("SELECT current_database() AS name");
  const name = pg.escapeIdentifier(rows[0]?.name ?? "");
  await once(
    client,
    "has_database_privilege('filemill_owner', current_database(), 'CREATE')",
    `GRANT CREATE ON DATABASE ${name} TO filemill_owner`,
  );
}

/** 42710 duplicate_object, 23505 unique_violation, XX000 "tuple concurrently updated": another migrator was faster. */
const MADE_MEANWHILE = new Set(["42710", "23505", "XX000"]);

async function once(client: Client, test: string, statement: string): Promise<void> {
  const holds = async () => (await client.query<{ holds: boolean }>(`SELECT (${test}) AS holds`)).rows[0]?.holds === true;
  if (await holds()) return;
  try {
    await client.query(statement);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || !MADE_MEANWHILE.has(error.code ?? "") || !(await holds())) throw error;
  }
}

function roleExists(name: string): string {
  return `EXISTS (SELECT FROM pg_roles WHERE rolname = ${pg.escapeLiteral(name)})`;
}

type MembershipTest = (user: string, role: string) => string;

/**
 * Whether `user` may SET ROLE `role`. Since 16 being a member is not enough: whoever makes a role is one, but must grant
 * it to itself before it can become it; 15 doesn't know the word SET. A superuser may become everybody.
 */
async function membershipTest(client: Client): Promise<MembershipTest> {
  const { rows } = await client.query<{ number: number }>("SELECT current_setting('server_version_num')::int AS number");
  const right = (rows[0]?.number ?? 0) >= 160_000 ? "SET" : "MEMBER";
  return (user, role) => `pg_has_role(${user}, '${role}', '${right}')`;
}
