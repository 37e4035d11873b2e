import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { KMS_CREDENTIALS, KMS_KEY, KMS_REGION, startKmsServer, type KeyServer } from "../../../test/keys/kms-server.ts";
import { startVaultServer, VAULT_KEY, VAULT_TOKEN } from "../../../test/keys/vault-server.ts";
import { createEnvProvider } from "./env-provider.ts";
import { createFileProvider, makeRootKeyFile } from "./file-provider.ts";
import { keyProviderContract } from "./key-provider.contract.ts";
import { createKeyRing } from "./key-ring.ts";
import { createKmsProvider } from "./kms-provider.ts";
import { newRootKey } from "./local-keys.ts";
import { createVaultProvider } from "./vault-provider.ts";

const NAME = "filemill/wrap/v1|tenant-key|a|b|1";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-providers-"));
  vi.stubEnv("AWS_ACCESS_KEY_ID", KMS_CREDENTIALS.accessKeyId);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", KMS_CREDENTIALS.secretAccessKey);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

const kms = (server: KeyServer, given = {}) =>
  createKmsProvider({ kind: "awskms", keyId: KMS_KEY, region: KMS_REGION, endpoint: server.url, ...given });
const vault = (server: KeyServer, given = {}) =>
  createVaultProvider({
    ...{ kind: "vault", address: server.url, mount: "transit", key: VAULT_KEY },
    ...{ namespace: undefined, token: VAULT_TOKEN, tokenFile: undefined, ...given },
  });

keyProviderContract("a file", async () => {
  const path = join(folder, "root.key");
  await makeRootKeyFile(path);
  return { open: () => createFileProvider(path), rotates: true };
});

keyProviderContract("the environment", async () => {
  const text = `${newRootKey()},${newRootKey()}`;
  return { open: () => createEnvProvider(text), rotates: false };
});

keyProviderContract("AWS KMS", async () => {
  const server = await startKmsServer();
  return { open: () => kms(server), rotates: true, close: server.close };
});

keyProviderContract("Vault", async () => {
  const server = await startVaultServer();
  return { open: () => vault(server), rotates: true, close: server.close };
});

describe("a key service", () => {
  it.each([
    ["AWS KMS", startKmsServer, kms],
    ["Vault", startVaultServer, vault],
  ])("%s that is away is unavailable, and is used again when it is back", async (_name, start, open) => {
    const server = await start();
    const provider = open(server);
    const wrapped = await provider.wrap(randomBytes(32), NAME);
    server.setAway(true);
    const askings = [
      () => provider.wrap(randomBytes(32), NAME),
      () => provider.unwrap(wrapped, NAME),
      () => provider.version(),
      () => provider.rotate(),
    ];
    for (const ask of askings) await expect(ask()).rejects.toMatchObject({ code: "unavailable" });
    server.setAway(false);
    expect(await provider.unwrap(wrapped, NAME)).toHaveLength(32);
    await server.close();
    await expect(provider.unwrap(wrapped, NAME)).rejects.toMatchObject({ code: "unavailable" });
  });

  it("of AWS that does not know the signature, or the key, is unavailable and says which key", async () => {
    const server = await startKmsServer();
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "another");
    await expect(kms(server).wrap(randomBytes(32), NAME)).rejects.toThrow(/InvalidSignature/);
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", KMS_CREDENTIALS.secretAccessKey);
    await expect(kms(server, { keyId: "alias/none" }).wrap(randomBytes(32), NAME)).rejects.toThrow(/alias\/none: NotFoundException/);
    await server.close();
  });

  it("of Vault is asked with the token that is in the file now", async () => {
    const server = await startVaultServer();
    const tokenFile = join(folder, "token");
    await writeFile(tokenFile, `${VAULT_TOKEN}\n`);
    const provider = vault(server, { token: undefined, tokenFile });
    const wrapped = await provider.wrap(randomBytes(32), NAME);
    server.setToken("renewed");
    await expect(provider.unwrap(wrapped, NAME)).rejects.toThrow(/403 permission denied/);
    await writeFile(tokenFile, "renewed");
    expect(await provider.unwrap(wrapped, NAME)).toHaveLength(32);
    await server.close();
  });
});

describe("several providers", () => {
  it("wrap with the first, and unwrap what each of them wrapped before", async () => {
    const server = await startVaultServer();
    const local = createEnvProvider(newRootKey());
    const key = randomBytes(32);
    const before = await local.wrap(key, NAME);
    const ring = createKeyRing([vault(server), local]);
    const after = await ring.wrap(key, NAME);
    expect([before.rootVersion, after.rootVersion]).toEqual([expect.stringMatching(/^local:/), `vault:transit/${VAULT_KEY}:v1`]);
    for (const wrapped of [before, after]) expect((await ring.unwrap(wrapped, NAME)).equals(key)).toBe(true);
    await expect(ring.unwrap({ ...before, rootVersion: "awskms:x" }, NAME)).rejects.toThrow(/kept by none of: vault, env/);
    await server.close();
  });
});
