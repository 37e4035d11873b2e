import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** What a test knows of it, and does to it. */
export interface KeyServer {
  readonly url: string;
  /** Names of the operations that were asked for. */
  readonly asked: string[];
  /** Requests are answered with 503 from now on, or no more. */
  setAway(away: boolean): void;
  close(): Promise<void>;
}

export const KMS_CREDENTIALS = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret of the test" };
export const KMS_REGION = "eu-central-1";
export const KMS_KEY = "1234abcd-12ab-34cd-56ef-1234567890ab";
const ARN = `arn:aws:kms:${KMS_REGION}:111122223333:key/${KMS_KEY}`;

/**
 * AWS KMS as its clients see it: JSON 1.1 over POST with an x-amz-target, signed by signature version 4, which is checked.
 * Like the service it keeps every material of its key, binds the encryption context, and refuses with the service's errors.
 */
export async function startKmsServer(): Promise<KeyServer> {
  const materials = new Map<string, Buffer>();
  let current = newMaterial();
  let away = false;
  const asked: string[] = [];

  function newMaterial(): string {
    const id = randomBytes(32).toString("hex");
    materials.set(id, randomBytes(32));
    return id;
  }

  const operations: Record<string, (body: Record<string, unknown>) => object> = {
    Encrypt({ Plaintext, EncryptionContext }) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", materials.get(current) ?? "", nonce).setAAD(contextOf(EncryptionContext));
      const sealed = Buffer.concat([cipher.update(Buffer.from(String(Plaintext), "base64")), cipher.final(), cipher.getAuthTag()]);
      const blob = Buffer.concat([Buffer.from(current, "hex"), nonce, sealed]);
      return { CiphertextBlob: blob.toString("base64"), EncryptionAlgorithm: "SYMMETRIC_DEFAULT", KeyId: ARN };
    },
    Decrypt({ CiphertextBlob, EncryptionContext }) {
      const blob = Buffer.from(String(CiphertextBlob), "base64");
      const material = materials.get(blob.toString("hex", 0, 32));
      if (material === undefined) throw new Refusal("InvalidCiphertextException", null);
      const decipher = createDecipheriv("aes-256-gcm", material, blob.subarray(32, 44));
      decipher.setAAD(contextOf(EncryptionContext)).setAuthTag(blob.subarray(-16));
      try {
        const plain = Buffer.concat([decipher.update(blob.subarray(44, -16)), decipher.final()]);
        return { KeyId: ARN, Plaintext: plain.toString("base64"), EncryptionAlgorithm: "SYMMETRIC_DEFAULT" };
      } catch {
        throw new Refusal("InvalidCiphertextException", null);
      }
    },
    DescribeKey: () => ({ KeyMetadata: { KeyId: KMS_KEY, Arn: ARN, Enabled: true, KeyState: "Enabled", CurrentKeyMaterialId: current } }),
    RotateKeyOnDemand() {
      current = newMaterial();
      return { KeyId: ARN };
    },
  };

  async function answer(request: IncomingMessage): Promise<{ status: number; body: object }> {
    const body = await text(request);
    if (away) return { status: 503, body: { __type: "KMSInternalException", message: "away" } };
    if (request.headers["content-type"] !== "application/x-amz-json-1.1") return refused("SerializationException", "not JSON 1.1");
    if (!isSigned(request, body)) return refused("InvalidSignatureException", "The request signature does not match.");
    const operation = String(request.headers["x-amz-target"]).replace(/^TrentService\./, "");
    asked.push(operation);
    const act = operations[operation];
    if (act === undefined) return refused("UnknownOperationException", null);
    const asking = JSON.parse(body) as Record<string, unknown>;
    if (asking["KeyId"] !== KMS_KEY && asking["KeyId"] !== ARN)
      return refused("NotFoundException", `Key ${String(asking["KeyId"])} does not exist`);
    try {
      return { status: 200, body: act(asking) };
    } catch (error) {
      if (error instanceof Refusal) return refused(error.type, error.text);
      throw error;
    }
  }

  return await listen({ answer, asked, setAway: (now) => (away = now), headers: { "content-type": "application/x-amz-json-1.1" } });
}

/** Serves JSON answers on a free port. */
export async function listen(given: {
  answer: (request: IncomingMessage) => Promise<{ status: number; body: object | undefined }>;
  asked: string[];
  setAway: (away: boolean) => void;
  headers: Record<string, string>;
}): Promise<KeyServer> {
  const server = createServer((request, response) => {
    void given.answer(request).then(({ status, body }) => {
      response
        .writeHead(status, { ...given.headers, "x-amzn-requestid": randomUUID() })
        .end(body === undefined ? "" : JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: given.asked,
    setAway: given.setAway,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

class Refusal extends Error {
  readonly type: string;
  readonly text: string | null;
  constructor(type: string, message: string | null) {
    super(type);
    this.type = type;
    this.text = message;
  }
}

function refused(type: string, message: string | null): { status: number; body: object } {
  return { status: 400, body: { __type: type, message } };
}

function contextOf(context: unknown): Buffer {
  return Buffer.from(JSON.stringify(Object.entries((context ?? {}) as Record<string, string>).toSorted()));
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, from the other side. */
function isSigned(request: IncomingMessage, body: string): boolean {
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/kms\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      request.headers.authorization ?? "",
    );
  if (match === null) return false;
  const [, accessKeyId, day = "", region = "", signedHeaders = "", signature] = match;
  const headers = signedHeaders.split(";").map((name) => `${name}:${String(request.headers[name]).trim()}\n`);
  const canonical = [request.method, request.url, "", headers.join(""), signedHeaders, sha256(body)].join("\n");
  const scope = `${day}/${region}/kms/aws4_request`;
  const toSign = ["AWS4-HMAC-SHA256", request.headers["x-amz-date"], scope, sha256(canonical)].join("\n");
  let key: Buffer | string = `AWS4${KMS_CREDENTIALS.secretAccessKey}`;
  for (const part of [day, region, "kms", "aws4_request"]) key = createHmac("sha256", key).update(part).digest();
  return (
    accessKeyId === KMS_CREDENTIALS.accessKeyId &&
    region === KMS_REGION &&
    createHmac("sha256", key).update(toSign).digest("hex") === signature
  );
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
