/** Who asks; found by api-keys.ts, set on every request by http/authenticate.ts. */
export interface Principal {
  readonly tenantId: string;
  /** `key_…` or `usr_…`: what audit entries name. */
  readonly actor: string;
  readonly role: "read-only" | "user" | "admin" | "operator";
}
