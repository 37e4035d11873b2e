import { DeleteObjectCommand } from "@aws-sdk/client-s3";
import { StorageError } from "../../errors.ts";
import { WrongAnswer } from "../remote/wrong-answer.ts";
import { at, type Bucket } from "./bucket.ts";
import { headObject } from "./head.ts";

/** Answers that say "there is no such object" of one that is there, in a row. */
const MAX_WRONG = 3;

/** S3 answers 204, also where there was nothing; only that is believed. Some servers say 404: then it is asked what is there. */
export async function deleteObject(bucket: Bucket, key: string): Promise<void> {
  const command = new DeleteObjectCommand(at(bucket, key));
  for (let wrong = 0; ; wrong++) {
    try {
      return await bucket.guard.run(`delete ${key}`, async (signal) => {
        const { $metadata } = await bucket.client.send(command, { abortSignal: signal });
        if ($metadata.httpStatusCode !== 204) throw new WrongAnswer(`status ${$metadata.httpStatusCode} where 204 means deleted`);
      });
    } catch (error) {
      if (!(error instanceof StorageError && error.code === "not_found")) throw error;
      if ((await headObject(bucket, key)) === undefined) return;
      if (wrong >= MAX_WRONG) throw new StorageError("unavailable", `${error.message}, and it has it`, { cause: error });
    }
  }
}
