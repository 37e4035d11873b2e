/** Where the text of a document is in its container. */
export function blobPath(jobId: string, documentNumber: number): string {
  return `${folderOf(jobId)}document_${documentNumber}.txt`;
}

export function folderOf(jobId: string): string {
  return `jobs/${jobId}/`;
}

/** Undefined for a path that is none of a document's. */
export function documentNumberOf(path: string): number | undefined {
  const digits = /\/document_([1-9]\d*)\.txt$/.exec(path)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
