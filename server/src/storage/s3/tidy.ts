import { AbortMultipartUploadCommand, ListMultipartUploadsCommand } from "@aws-sdk/client-s3";
import type { Bucket } from "./bucket.ts";
import { WrongAnswer } from "../remote/wrong-answer.ts";

/**
 * Aborts multipart uploads that began before `before`: their writers died. A segment has at most 64 MiB, which a client at
 * 10 kB/s needs two hours for.
 */
export async function abortOldUploads(bucket: Bucket, before: Date): Promise<number> {
  let aborted = 0;
  let marker: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
  while (marker !== undefined) {
    const command: ListMultipartUploadsCommand = new ListMultipartUploadsCommand({
      Bucket: bucket.bucket,
      Prefix: bucket.prefix,
      ...marker,
    });
    const page = await bucket.guard.run("list open uploads", async (signal) => {
      const answer = await bucket.client.send(command, { abortSignal: signal });
      if (answer.Bucket === undefined) throw new WrongAnswer("the answer is no list of uploads");
      return answer;
    });
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      if (Initiated === undefined || Initiated >= before) continue;
      const abort = new AbortMultipartUploadCommand({ Bucket: bucket.bucket, Key, UploadId });
      await bucket.guard.run(`abort the upload of ${Key}`, (signal) => bucket.client.send(abort, { abortSignal: signal }));
      aborted++;
    }
    marker =
      page.IsTruncated === true
        ? {
            ...(page.NextKeyMarker && { KeyMarker: page.NextKeyMarker }),
            ...(page.NextUploadIdMarker && { UploadIdMarker: page.NextUploadIdMarker }),
          }
        : undefined;
  }
  return aborted;
}
