import type { BulkAnswer } from "@filemill/contract/bulk.ts";
import type { Client } from "@filemill/sdk/client.ts";
import type { Context } from "../context.ts";
import type { JsonOption } from "../terminal/command.ts";
import { pairs } from "../terminal/pairs.ts";
import { printResult, size, table } from "../terminal/print.ts";
import { createProgress } from "../terminal/progress.ts";
import type { LocalFile } from "./paths.ts";
import { tarOf } from "./tar.ts";

export interface PutBulk {
  readonly client: Client;
  readonly files: readonly LocalFile[];
  readonly options: JsonOption & { readonly metadata?: string[] };
}

/** Sends the files as one tar that is made as it is sent. A try that breaks off is followed by one that goes on behind it. */
export async function putBulk(context: Context, { client, files, options }: PutBulk): Promise<void> {
  const progress = createProgress(context, { quiet: options.json === true });
  const total = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const bar = progress.bar(`upload ${files.length} files in bulk`, total);
  let sent = 0;
  const open = () => {
    bar.set((sent = 0));
    return ReadableStream.from(tarOf(files, (bytes) => bar.set((sent += bytes))));
  };
  try {
    const answer = await client.bulk.put(open, { signal: context.signal, metadata: options.metadata && pairs(options.metadata) });
    bar.finish();
    progress.stop();
    printResult(context, options, { json: answer, text: () => summary(answer) });
  } finally {
    progress.stop();
  }
}

function summary({ bulk_id, stored, skipped }: BulkAnswer): string[] {
  const rows = [[bulk_id, String(stored.files), size(stored.size), String(skipped.entries)]];
  return table(["BULK", "FILES", "SIZE", "SKIPPED"], rows);
}
