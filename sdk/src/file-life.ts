import type { FileResource } from "@filemill/contract/files.ts";
import type { Transport } from "./transport.ts";

/** When files end, and what keeps them. */
export interface FileLife {
  /** When the file ends by itself; null: never. */
  setExpiry(id: string, expiresAt: Date | null): Promise<FileResource>;
  /** A legal hold: nobody can delete the file until it is lifted. For admins. */
  hold(id: string, reason: string): Promise<FileResource>;
  liftHold(id: string): Promise<FileResource>;
  /** Brings the file back from a colder storage class; it is there when its storage_class is hot. */
  restore(id: string): Promise<FileResource>;
}

export function fileLifeOf(transport: Transport): FileLife {
  const path = (id: string, rest = "") => `/api/v1/files/${encodeURIComponent(id)}${rest}`;
  return {
    setExpiry: (id, expiresAt) =>
      transport.json({ method: "PATCH", path: path(id), json: { expires_at: expiresAt?.toISOString() ?? null } }),
    hold: (id, reason) => transport.json({ method: "POST", path: path(id, "/hold"), json: { reason } }),
    liftHold: (id) => transport.json({ method: "DELETE", path: path(id, "/hold") }),
    restore: (id) => transport.json({ method: "POST", path: path(id, "/restore") }),
  };
}
