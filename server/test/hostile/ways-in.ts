import { createHash } from "node:crypto";
import type { TestApp, TestTenant } from "../test-app.ts";
import { rawTar } from "../tars.ts";
import { rawZip } from "../processors/zips.ts";

export interface Sent {
  readonly content: Buffer;
  readonly name?: string;
  /** Said of the content, rightly or not. */
  readonly sha256?: Buffer;
}

export type WayIn = (app: TestApp, tenant: TestTenant, sent: Sent) => Promise<Response>;

/** Every way in which one file gets in, whole, in one request. */
export const WAYS_IN: Readonly<Record<string, WayIn>> = {
  "PUT /files/{name}": (_app, tenant, { content, name = "a.txt", sha256 }) =>
    tenant.fetch(`/files/${name}`, { method: "PUT", body: new Uint8Array(content), headers: { ...digest(sha256) } }),
  "POST /files": (_app, tenant, { content, name = "a.txt", sha256 }) => {
    const lines = [
      `Content-Disposition: form-data; name="file"; filename="${name}"`,
      ...(sha256 ? [`Content-Digest: ${digest(sha256)["content-digest"]}`] : []),
    ];
    const body = Buffer.concat([Buffer.from(`--b\r\n${lines.join("\r\n")}\r\n\r\n`), content, Buffer.from("\r\n--b--\r\n")]);
    return tenant.fetch("/files", { method: "POST", body, headers: { "content-type": "multipart/form-data; boundary=b" } });
  },
  "POST /files/bulk, a tar": (_app, tenant, { content, name = "a.txt", sha256 }) => bulk(tenant, rawTar([{ name, content }]), sha256),
  "POST /files/bulk, a zip": (_app, tenant, { content, name = "a.txt", sha256 }) => bulk(tenant, rawZip([{ name, content }]), sha256),
  "POST /uploads": (_app, tenant, { content, name = "a.txt", sha256 }) => {
    const headers = {
      "tus-resumable": "1.0.0",
      "upload-length": String(content.length),
      "upload-metadata": `filename ${Buffer.from(name).toString("base64")}`,
      "content-type": "application/offset+octet-stream",
      ...(sha256 && { "upload-checksum": `sha256 ${sha256.toString("base64")}` }),
    };
    return tenant.fetch("/uploads", { method: "POST", body: new Uint8Array(content), headers });
  },
};

function bulk(tenant: TestTenant, archive: Buffer, sha256: Buffer | undefined): Promise<Response> {
  // Of the archive: a right one where the content's would be right.
  const said = sha256 && (sha256.equals(Buffer.alloc(32)) ? sha256 : createHash("sha256").update(archive).digest());
  return tenant.fetch("/files/bulk", { method: "POST", body: new Uint8Array(archive), headers: { ...digest(said) } });
}

function digest(sha256: Buffer | undefined): Record<string, string> {
  return sha256 === undefined ? {} : { "content-digest": `sha-256=:${sha256.toString("base64")}:` };
}
