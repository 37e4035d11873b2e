/** When faults were under way, and what went wrong outside of those times. */
export interface FaultWindow {
  open(): void;
  /** `settleMs`: so long after the fault the product may still show it. */
  close(settleMs?: number): void;
  /** Was a fault under way at any time since then (performance.now())? */
  since(startedAt: number): boolean;
  /** An answer or a broken connection that a client saw; becomes a finding where it may not be (C9). */
  saw(what: { where: string; startedAt: number; status?: number; retryAfter?: string | null | undefined; error?: string }): void;
  findings(): readonly string[];
}

export function openFaultWindow(): FaultWindow {
  const findings: string[] = [];
  let underWay = 0;
  let closedAt = Number.NEGATIVE_INFINITY;
  const since = (startedAt: number) => underWay > 0 || closedAt > startedAt;
  return {
    open: () => void underWay++,
    close(settleMs = 0) {
      underWay--;
      closedAt = Math.max(closedAt, performance.now() + settleMs);
    },
    since,
    saw({ where, startedAt, status, retryAfter, error }) {
      if (since(startedAt)) return;
      if (error !== undefined) findings.push(`C9: ${where}: ${error}`);
      else if (status !== undefined && status >= 500 && !((status === 503 || status === 507) && retryAfter))
        findings.push(`C9: ${where} answered ${status}`);
    },
    findings: () => findings,
  };
}
