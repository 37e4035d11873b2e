import { decodeId } from "@filemill/contract/ids.ts";
import type { JobSummary, OutputFile } from "@filemill/contract/jobs.ts";
import type { RunFigures } from "./run-figures.ts";

/** Where clients find the texts of documents. A document is downloaded when its text is there, and not before. */
export interface Texts {
  /** `origin` is this app's, as the client who asks knows it. */
  urlOf(path: string, origin: string): string;
  /** Throws AppError where that can't be known now. */
  kept(job: Pick<JobSummary, "id" | "counts">): Promise<KeptTexts>;
  /** Counts what the run did with texts, where its worker is who stored them. */
  runEnded(run: { readonly documents: number; readonly seconds: number }): void;
}

/** Of one job. Times are ISO 8601. */
export interface KeptTexts {
  readonly count: number;
  /** When the last one came, if that is known apart from the job's own times. */
  readonly lastAt: string | undefined;
  /** Since when a document's text is there; `text` is the platform's file. Undefined where it is not. */
  since(documentNumber: number, text: Pick<OutputFile, "id">): string | undefined;
}

/** The platform itself: what it has stored is there, and this app serves it. */
export function platformTexts(figures: RunFigures): Texts {
  return {
    urlOf: (path, origin) => `${origin}/${SERVED_BELOW}/${path}`,
    kept: async ({ counts }) => ({ count: counts.succeeded, lastAt: undefined, since: (_number, text) => timeOf(text.id) }),
    runEnded({ documents, seconds }) {
      for (let each = 0; each < documents; each++) figures.operated({ operation: "upload", seconds: seconds / documents });
    },
  };
}

/** Under this path of the app is every stored text, wherever else it is. */
export const SERVED_BELOW = "documents";

/** Ids are UUIDs of version 7, which begin with the time at which they were made (RFC 9562 §5.7). */
function timeOf(fileId: string): string {
  const uuid = decodeId("file", fileId) ?? "";
  return new Date(Number.parseInt(uuid.replaceAll("-", "").slice(0, 12), 16)).toISOString();
}
