import { generatedDocument, generatedInput } from "../record/generated-id.ts";
import type { ClaimedTask } from "../queue/task.ts";

/** An input of a task that nobody has stored: its content follows from its id. */
export interface GeneratedFile {
  readonly id: string;
  readonly name: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly sha256: Buffer;
  readonly generated: Buffer;
}

/** The generated ones among a task's inputs, by id. */
export function generatedFiles(task: Pick<ClaimedTask, "entries">): Map<string, GeneratedFile> {
  return new Map(
    task.entries.flatMap(({ fileId }) => {
      const file = generatedFile(fileId);
      return file ? [[fileId, file] as const] : [];
    }),
  );
}

/** Undefined for the id of a stored file. */
export function generatedFile(fileId: string): GeneratedFile | undefined {
  const input = generatedInput(fileId);
  if (!input) return undefined;
  const { content, ...document } = generatedDocument(input);
  return { id: fileId, ...document, sizeBytes: content.length, generated: content };
}
