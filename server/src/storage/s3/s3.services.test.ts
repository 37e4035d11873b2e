import { describe } from "vitest";
import { newBucket, sharedRadosgw } from "../../../test/stores/shared-radosgw.ts";
import { objectStoreContract } from "../object-store.contract.ts";
import { openS3Store } from "./open.ts";

describe("S3 store", () => {
  objectStoreContract("s3", async () => openS3Store(await newBucket(await sharedRadosgw())));
});
