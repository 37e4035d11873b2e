import { describe, expect, it } from "vitest";
import { readKeys, type KeysConfig } from "./config-keys.ts";
import { openReader } from "./config-reader.ts";

function read(env: Record<string, string>, production = false): KeysConfig & { problems: string[] } {
  const reader = openReader(env);
  const config = readKeys(reader, { production, dataFolder: "/data" });
  return { ...config, problems: reader.finish() };
}

describe("where the root key is", () => {
  it("is a file of the data folder, made at the first start, where nothing is said", () => {
    expect(read({})).toMatchObject({ file: "/data/root.key", mayMakeFile: true, service: undefined, text: undefined, problems: [] });
  });

  it("is the file that is named, which in production has to be there", () => {
    expect(read({ FILEMILL_ROOT_KEY_FILE: "/run/secrets/root.key" }, true)).toMatchObject({
      file: "/run/secrets/root.key",
      mayMakeFile: false,
      problems: [],
    });
  });

  it("has to be said in production", () => {
    expect(read({}, true).problems).toEqual([expect.stringContaining("FILEMILL_ROOT_KEY_FILE must be set")]);
  });

  it.each(["FILEMILL_ROOT_KEY", "FILEMILL_KMS_URL"])("is no file where %s says where it is", (name) => {
    const value = name === "FILEMILL_ROOT_KEY" ? Buffer.alloc(32).toString("base64") : "awskms:///alias/filemill";
    expect(read({ [name]: value }, true)).toMatchObject({ file: undefined, mayMakeFile: false, problems: [] });
  });

  it.each([
    ["awskms:///1234abcd-12ab", { kind: "awskms", keyId: "1234abcd-12ab", region: undefined, endpoint: undefined }],
    [
      "awskms:///alias/filemill?region=eu-central-1&endpoint=http://127.0.0.1:4599",
      { kind: "awskms", keyId: "alias/filemill", region: "eu-central-1", endpoint: "http://127.0.0.1:4599" },
    ],
    ["awskms:///arn:aws:kms:eu-west-1:111122223333:key/1234", { kind: "awskms", keyId: "arn:aws:kms:eu-west-1:111122223333:key/1234" }],
    ["vault+https://vault:8200/transit/filemill", { kind: "vault", address: "https://vault:8200", mount: "transit", key: "filemill" }],
    ["vault+http://[::1]:8200/a/b/key?namespace=team", { address: "http://[::1]:8200", mount: "a/b", key: "key", namespace: "team" }],
  ])("is at %s", (url, service) => {
    expect(read({ FILEMILL_KMS_URL: url, FILEMILL_VAULT_TOKEN: "t" })).toMatchObject({ service, problems: [] });
  });

  it.each(["awskms:///", "vault+https://vault/transit", "vault://vault/transit/key", "https://kms", "kms"])("can't be at %s", (url) => {
    expect(read({ FILEMILL_KMS_URL: url }).problems).toEqual([
      expect.stringContaining("FILEMILL_KMS_URL must be a URL such as awskms:///"),
    ]);
  });

  it("is in no Vault without a token", () => {
    expect(read({ FILEMILL_KMS_URL: "vault+https://vault/transit/key" }).problems).toEqual([
      expect.stringContaining("FILEMILL_VAULT_TOKEN"),
    ]);
  });
});
