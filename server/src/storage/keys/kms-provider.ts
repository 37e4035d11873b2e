import {
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  KMSClient,
  ListKeyRotationsCommand,
  RotateKeyOnDemandCommand,
} from "@aws-sdk/client-kms";
import type { KeyServiceConfig } from "../../config-keys.ts";
import { StorageError } from "../../errors.ts";
import type { KeyProvider } from "./key-provider.ts";

type KmsConfig = Extract<KeyServiceConfig, { kind: "awskms" }>;

const TIMEOUT_MS = 5_000;
const PREFIX = "awskms:";
/** The material changes at most a few times a year; a key that is recorded under the one before is only wrapped once more. */
const VERSION_KEPT_MS = 60_000;

/**
 * A symmetric key of AWS KMS. It takes its credentials where AWS's tools do (environment, profile, container, instance) and
 * needs kms:Encrypt, kms:Decrypt and kms:DescribeKey, kms:RotateKeyOnDemand where it is to rotate, and
 * kms:ListKeyRotations where the service does not name its key material.
 */
export function createKmsProvider({ keyId, region, endpoint }: KmsConfig): KeyProvider {
  const client = new KMSClient({ ...(region !== undefined && { region }), ...(endpoint !== undefined && { endpoint }), maxAttempts: 3 });
  let looked: { readonly version: Promise<string>; readonly until: number } | undefined;

  async function ask<Answer>(send: (options: { abortSignal: AbortSignal }) => Promise<Answer>): Promise<Answer> {
    try {
      return await send({ abortSignal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch (cause) {
      const text = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
      throw new StorageError("unavailable", `AWS KMS, key ${keyId}: ${text}`, { cause });
    }
  }

  async function lookUp(): Promise<string> {
    const { KeyMetadata: key } = await ask((options) => client.send(new DescribeKeyCommand({ KeyId: keyId }), options));
    const material = key?.CurrentKeyMaterialId ?? (await lastRotation());
    return PREFIX + [key?.Arn ?? keyId, ...(material === undefined ? [] : [material])].join("#");
  }

  /** The service keeps all materials of a key and picks the right one itself; when it changed is all that there is to know. */
  async function lastRotation(): Promise<string | undefined> {
    const { Rotations: rotations = [] } = await ask((options) => client.send(new ListKeyRotationsCommand({ KeyId: keyId }), options));
    return rotations
      .flatMap(({ RotationDate: date }) => (date === undefined ? [] : [date.toISOString()]))
      .toSorted()
      .at(-1);
  }

  async function recentVersion(): Promise<string> {
    if (looked === undefined || looked.until < performance.now())
      looked = { version: lookUp(), until: performance.now() + VERSION_KEPT_MS };
    const { version } = looked;
    return await version.catch((error: unknown) => {
      looked = undefined;
      throw error;
    });
  }

  return {
    name: "awskms",
    owns: (version) => version.startsWith(PREFIX),
    async wrap(key, name) {
      const command = new EncryptCommand({ KeyId: keyId, Plaintext: key, EncryptionContext: { filemill: name } });
      const [{ CiphertextBlob: blob }, rootVersion] = await Promise.all([ask((options) => client.send(command, options)), recentVersion()]);
      if (blob === undefined) throw new StorageError("unavailable", `AWS KMS, key ${keyId}: an answer without a ciphertext`);
      return { rootVersion, wrappedKey: Buffer.from(blob) };
    },
    async unwrap({ wrappedKey }, name) {
      const command = new DecryptCommand({ KeyId: keyId, CiphertextBlob: wrappedKey, EncryptionContext: { filemill: name } });
      const { Plaintext: key } = await ask((options) => client.send(command, options));
      if (key?.length !== 32) throw new StorageError("unavailable", `AWS KMS, key ${keyId}: an answer without the key`);
      return Buffer.from(key);
    },
    async version() {
      looked = undefined;
      return await recentVersion();
    },
    async versions() {
      return undefined;
    },
    async rotate() {
      await ask((options) => client.send(new RotateKeyOnDemandCommand({ KeyId: keyId }), options));
      looked = undefined;
    },
  };
}
