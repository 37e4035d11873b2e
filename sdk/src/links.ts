import type { Metadata } from "@filemill/contract/files.ts";
import type { LinkResource, NewUploadLink, UploadLinkRequest, UploadLinkResource } from "@filemill/contract/links.ts";
import type { Transport } from "./transport.ts";

export interface LinkOptions {
  /** A duration such as `1h`, at most `7d`; 15 minutes unless told. */
  readonly expiresIn?: string | undefined;
}

export interface UploadLinkOptions extends LinkOptions {
  /** A size such as `50MiB`. */
  readonly maxSize?: string | undefined;
  /** Of the file; whoever sends it names it otherwise. */
  readonly name?: string | undefined;
  /** Such as `image/*`. */
  readonly mediaTypes?: readonly string[] | undefined;
  /** The name of a pipeline or a document, to be run over the file. */
  readonly pipeline?: UploadLinkRequest["pipeline"];
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  readonly metadata?: Metadata | undefined;
}

/** Signed links: whoever has one needs no key. */
export interface Links {
  toFile(id: string, options?: LinkOptions): Promise<LinkResource>;
  /** For one file that somebody sends with PUT. */
  toUpload(options?: UploadLinkOptions): Promise<NewUploadLink>;
  upload(id: string): Promise<UploadLinkResource>;
  /** All links to the file. */
  revokeFile(id: string): Promise<void>;
  revokeUpload(id: string): Promise<void>;
  /** Every link of the tenant; needs an admin's key. */
  revokeAll(): Promise<void>;
}

const API = "/api/v1";

export function linksOf(transport: Transport): Links {
  const upload = (id: string) => `${API}/links/uploads/${encodeURIComponent(id)}`;
  const file = (id: string) => `${API}/files/${encodeURIComponent(id)}`;
  return {
    toFile: (id, { expiresIn } = {}) => transport.json({ method: "POST", path: `${file(id)}/link`, json: { expires_in: expiresIn } }),
    toUpload: ({ expiresIn, maxSize, mediaTypes, ...rest } = {}) =>
      transport.json({
        method: "POST",
        path: `${API}/links/uploads`,
        json: { ...rest, expires_in: expiresIn, max_size: maxSize, media_types: mediaTypes },
      }),
    upload: (id) => transport.json({ method: "GET", path: upload(id) }),
    revokeFile: (id) => transport.json({ method: "DELETE", path: `${file(id)}/links` }),
    revokeUpload: (id) => transport.json({ method: "DELETE", path: upload(id) }),
    revokeAll: () => transport.json({ method: "DELETE", path: `${API}/links` }),
  };
}
