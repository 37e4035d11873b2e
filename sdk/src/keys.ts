import type { KeyRotationRequest, KeyStatusResource } from "@filemill/contract/keys.ts";
import type { Transport } from "./transport.ts";

/** Encryption keys of the whole installation; for operators' API keys. */
export interface Keys {
  status(): Promise<KeyStatusResource>;
  /** Resolves when the new version is there; what lies under older ones is wrapped anew behind it. */
  rotate(rotation: KeyRotationRequest): Promise<KeyStatusResource>;
}

const PATH = "/api/v1/admin/keys";

export function keysOf(transport: Transport): Keys {
  return {
    status: () => transport.json({ method: "GET", path: PATH }),
    rotate: (rotation) => transport.json({ method: "POST", path: `${PATH}/rotate`, json: rotation }),
  };
}
