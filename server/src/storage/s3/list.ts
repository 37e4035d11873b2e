import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { isKey } from "../keys.ts";
import { WrongAnswer } from "../remote/wrong-answer.ts";
import type { Bucket } from "./bucket.ts";

/** Objects whose key starts with `prefix`, page by page. What others have put into the bucket is not ours to see. */
export async function* listObjects(bucket: Bucket, prefix: string): AsyncGenerator<{ key: string; sizeBytes: number; modifiedAt: Date }> {
  let token: string | undefined;
  do {
    const command = new ListObjectsV2Command({
      Bucket: bucket.bucket,
      Prefix: bucket.prefix + prefix,
      ...(token !== undefined && { ContinuationToken: token }),
    });
    const page = await bucket.guard.run(`list ${prefix}`, async (signal) => {
      const answer = await bucket.client.send(command, { abortSignal: signal });
      // An error document in place of the page: taken for an empty one it would hide every object.
      if (answer.Name === undefined) throw new WrongAnswer("the answer is no list of objects");
      return answer;
    });
    for (const { Key = "", Size = 0, LastModified } of page.Contents ?? []) {
      const key = Key.slice(bucket.prefix.length);
      if (isKey(key)) yield { key, sizeBytes: Size, modifiedAt: LastModified ?? new Date() };
    }
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
}
