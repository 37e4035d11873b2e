import { GetObjectCommand, HeadBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import type { ObjectStore } from "../object-store.ts";
import { createAgents } from "../remote/agents.ts";
import { checkKeys } from "../remote/check-keys.ts";
import { createGuard, type GuardOptions } from "../remote/guard.ts";
import type { PartHolders } from "../remote/part-holders.ts";
import type { StorageClass } from "@filemill/contract/storage-class.ts";
import { at, type Bucket } from "./bucket.ts";
import { copyObject, setObjectClass } from "./copy.ts";
import { deleteObject } from "./delete.ts";
import { explainS3, statusOf } from "./explain.ts";
import { getObject } from "./get.ts";
import { headObject } from "./head.ts";
import { listObjects } from "./list.ts";
import { putObject } from "./put.ts";
import { abortOldUploads } from "./tidy.ts";

export interface S3Options {
  readonly name: string;
  readonly bucket: string;
  /** Before every key; empty, or with a slash at its end. */
  readonly prefix: string;
  /** For the signature; left out: as the AWS profile or environment says. */
  readonly awsRegion?: string;
  /** Left out: Amazon's. */
  readonly endpoint?: string;
  readonly forcePathStyle: boolean;
  /** Left out: found as AWS users expect, in the environment, a profile, or the machine's role. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string };
  readonly profile?: string;
  readonly classNames: Bucket["classNames"];
  readonly holders: PartHolders;
  /** For tests: how old an open upload must be to be aborted by tidy. */
  readonly uploadsEndAfterMs?: number;
  readonly guard?: Pick<GuardOptions, "answerWithinMs">;
}

/** Whoever called gets every error; the library would write them to the console besides. */
const SILENT = { trace: () => {}, debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const UPLOADS_END_AFTER_MS = 24 * 60 * 60 * 1_000;

/** Objects in a bucket of S3 or of a server that speaks its language. Makes no request yet: a store that is away does not keep us from starting. */
export function openS3Store(options: S3Options): ObjectStore {
  const { name, prefix, credentials } = options;
  const agents = createAgents();
  const client = new S3Client({
    ...(options.awsRegion !== undefined && { region: options.awsRegion }),
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    ...(options.profile !== undefined && { profile: options.profile }),
    ...(credentials !== undefined && { credentials }),
    forcePathStyle: options.forcePathStyle,
    // Retries, breaker and limits are the guard's; two layers of retries would multiply.
    maxAttempts: 1,
    logger: SILENT,
    // Newer checksums are unknown to many servers; every request of ours carries Content-MD5 instead.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: new NodeHttpHandler({ httpAgent: agents.http, httpsAgent: agents.https, socketAcquisitionWarningTimeout: 60_000 }),
  });
  const guard = createGuard({
    name,
    explain: (error, what) => explainS3(name, error, what),
    moved: agents.moved,
    probe: async (signal) => {
      await client.send(new HeadBucketCommand({ Bucket: options.bucket }), { abortSignal: signal }).catch((error: unknown) => {
        // Whatever it says, it is there.
        if (statusOf(error) === undefined) throw error;
      });
    },
    ...options.guard,
  });
  const bucket: Bucket = { name, client, bucket: options.bucket, prefix, guard, holders: options.holders, classNames: options.classNames };
  const classes: StorageClass[] = ["hot", ...(["cold", "archive"] as const).filter((one) => options.classNames[one] !== undefined)];

  return checkKeys({
    name,
    classes,
    put: (key, content, putOptions = {}) => putObject(bucket, key, content, putOptions),
    get: (key, getOptions = {}) => getObject(bucket, key, getOptions),
    async head(key) {
      const found = await headObject(bucket, key);
      return found && { sizeBytes: found.sizeBytes, modifiedAt: found.modifiedAt, storageClass: found.storageClass };
    },
    delete: (key) => deleteObject(bucket, key),
    list: (listed) => listObjects(bucket, listed),
    copy: (from, to) => copyObject(bucket, from, to),
    setClass: (key, storageClass) => setObjectClass(bucket, key, storageClass),
    async presign(key, { method, expiresInSeconds }) {
      const command = method === "GET" ? new GetObjectCommand(at(bucket, key)) : new PutObjectCommand(at(bucket, key));
      return await getSignedUrl(client, command, { expiresIn: expiresInSeconds });
    },
    async tidy() {
      return await abortOldUploads(bucket, new Date(Date.now() - (options.uploadsEndAfterMs ?? UPLOADS_END_AFTER_MS)));
    },
    async close() {
      client.destroy();
      agents.close();
    },
  });
}
