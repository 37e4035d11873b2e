import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Reservation } from "../tenants/quota-reservation.ts";
import type { Quotas } from "../tenants/quotas.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Room for the files that this request sends; see reserveRoom. */
    reservation: Reservation | undefined;
  }
}

export function decorateWithReservations(app: FastifyInstance): void {
  app.decorateRequest("reservation", undefined);
}

/**
 * Before the body is asked for: makes sure that what Content-Length announces fits into the tenant's quota, all but
 * `overheadBytes`, which may be no content. What the request did not use is given back when its answer is sent, or when
 * the client is gone. Throws Problem quota_exceeded.
 */
export async function reserveRoom(
  quotas: Quotas,
  [request, reply]: readonly [FastifyRequest, FastifyReply],
  { overheadBytes }: { readonly overheadBytes: number },
): Promise<void> {
  const length = request.headers["content-length"];
  const reservation = await quotas.open(request.principal.tenantId);
  request.reservation = reservation;
  // Also where there is no "finish": the client left before the answer.
  reply.raw.once("close", () => void reservation.release());
  const total = { bytes: Math.max(0, Number(length ?? 0) - overheadBytes), files: 1 };
  await reservation.expect(length === undefined ? total : { ...total, mostBytes: Number(length) });
}
