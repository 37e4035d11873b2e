import { describe, expect, it } from "vitest";
import { azureFromEnvironment, parseStoreUrls } from "./store-urls.ts";

const one = (text: string, env: Record<string, string> = {}) => parseStoreUrls(text, env)[0];
const complaint = (text: string, env: Record<string, string> = {}) => {
  try {
    parseStoreUrls(text, env);
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
  return "";
};

describe("FILEMILL_STORAGE_URL", () => {
  it("names folders, also for colder classes", () => {
    expect(one("file:///srv/my%20objects?cold=/slow/objects&class=hot&name=main")).toEqual({
      kind: "disk",
      name: "main",
      region: undefined,
      storageClass: "hot",
      mayBeEmpty: false,
      folder: "/srv/my objects",
      coldFolder: "/slow/objects",
      archiveFolder: undefined,
    });
  });

  it("names buckets of Amazon, whose credentials AWS users keep where they do", () => {
    expect(one("s3://bucket/a/path/?region=eu-central-1")).toMatchObject({
      kind: "s3",
      name: "s3",
      region: "eu-central-1",
      awsRegion: "eu-central-1",
      bucket: "bucket",
      prefix: "a/path/",
      endpoint: undefined,
      forcePathStyle: false,
      credentials: undefined,
      classNames: { cold: "STANDARD_IA", archive: "GLACIER_IR" },
    });
    expect(one("s3://bucket", { AWS_REGION: "us-west-2" })).toMatchObject({ region: undefined, awsRegion: "us-west-2" });
    expect(one("s3://bucket?profile=backup")).toMatchObject({ profile: "backup", awsRegion: undefined });
  });

  it("names buckets of other servers, with path style and the classes that they have", () => {
    const url = "s3://bucket?endpoint=http://127.0.0.1:9000&access_key=AK&secret_key=a%2Bb&cold=COLD";
    expect(one(url)).toMatchObject({
      endpoint: "http://127.0.0.1:9000",
      forcePathStyle: true,
      awsRegion: "us-east-1",
      credentials: { accessKeyId: "AK", secretAccessKey: "a+b" },
      classNames: { cold: "COLD" },
    });
    expect(one(`${url}&force_path_style=false&region=eu&aws_region=eu-1`)).toMatchObject({
      forcePathStyle: false,
      region: "eu",
      awsRegion: "eu-1",
    });
  });

  it.each([
    [{ AZURE_STORAGE_KEY: "a2V5" }, { endpoint: "https://acc.blob.core.windows.net", credentials: { account: "acc", key: "a2V5" } }],
    [{ AZURE_STORAGE_SAS_TOKEN: "?sv=1&sig=x" }, { endpoint: "https://acc.blob.core.windows.net", credentials: { sas: "sv=1&sig=x" } }],
    [
      { AZURE_STORAGE_CONNECTION_STRING: "AccountName=acc;AccountKey=a2V5==;EndpointSuffix=core.example" },
      { endpoint: "https://acc.blob.core.example", credentials: { account: "acc", key: "a2V5==" } },
    ],
    [
      { AZURE_BLOB_CONN: "BlobEndpoint=http://127.0.0.1:1/acc/;SharedAccessSignature=sv=1&sig=x", AZURE_STORAGE_ACCOUNT: "acc" },
      { endpoint: "http://127.0.0.1:1/acc", credentials: { sas: "sv=1&sig=x" } },
    ],
  ])("names containers of Azure, let in by %j", (env, expected) => {
    expect(one("azure://container?account=acc", env)).toMatchObject({ kind: "azure", name: "azure", container: "container", ...expected });
  });

  it("takes no credentials of another account", () => {
    const env = { AZURE_STORAGE_CONNECTION_STRING: "AccountName=other;AccountKey=c2VjcmV0" };
    expect(complaint("azure://container?account=acc", env)).toContain("no credentials");
  });

  it("is not needed where Azure's own variables name a container", () => {
    const env = { AZURE_BLOB_CONN: "UseDevelopmentStorage=true", AZURE_CONTAINER: "mill" };
    expect(azureFromEnvironment(env)).toMatchObject({
      kind: "azure",
      container: "mill",
      endpoint: "http://127.0.0.1:10000/devstoreaccount1",
    });
    expect(azureFromEnvironment({ AZURE_CONTAINER: "mill" })).toBeUndefined();
  });

  it("names several, each by its own name", () => {
    const stores = parseStoreUrls("file:///a?region=eu, s3://b?name=far&region=us,file:///c?name=cold&class=cold", {});
    expect(stores.map(({ name, region, storageClass }) => [name, region, storageClass])).toEqual([
      ["disk", "eu", "hot"],
      ["far", "us", "hot"],
      ["cold", undefined, "cold"],
    ]);
  });

  it.each([
    ["/srv/objects", "must be a URL such as"],
    ["ftp://server/path", "must be a URL such as"],
    ["file:///a,file:///b", 'two stores named "disk"'],
    ["file:///a?class=cold", "no store for hot objects"],
    ["file:///a?class=warm", "hot, cold or archive"],
    ["file:///a?cold=b", "not an absolute path"],
    ["file:///a?name=My%20store", "store name"],
    ["file:///a?endpoint=http://x", 'parameter "endpoint"'],
    ["s3://", "names no bucket"],
    ["s3://b?access_key=A", "together"],
    ["s3://b?endpoint=server", "http or https"],
    ["s3://b?force_path_style=yes", "true or false"],
    ["azure://c", "names no account"],
    ["azure://c?account=a", "no credentials"],
  ])("%s is refused: %s", (text, words) => {
    expect(complaint(text)).toContain(words);
  });

  it("never repeats a secret in a complaint", () => {
    for (const text of [
      "s3://b?access_key=AK&secret_key=hush&colour=red",
      "azure://c?key=hush",
      "azure://c?account=a&key=hush&colour=red",
    ]) {
      expect(complaint(text)).not.toBe("");
      expect(complaint(text)).not.toContain("hush");
    }
  });
});
