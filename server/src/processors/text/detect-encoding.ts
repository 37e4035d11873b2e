export interface TextEncoding {
  readonly name: "ascii" | "utf-8" | "utf-16le" | "utf-16be" | "windows-1252";
  /** For TextDecoder. */
  readonly label: string;
  /** Does the text start with a byte order mark? */
  readonly mark: boolean;
}

/**
 * The encoding of a text by its first chunk: by its mark, else UTF-8 where that is valid so far (a cut last character is
 * fine), else windows-1252, in which any bytes are valid.
 */
export function detectEncoding(chunk: Uint8Array): TextEncoding {
  const [first, second, third] = chunk;
  if (first === 0xef && second === 0xbb && third === 0xbf) return { name: "utf-8", label: "utf-8", mark: true };
  if (first === 0xff && second === 0xfe) return { name: "utf-16le", label: "utf-16le", mark: true };
  if (first === 0xfe && second === 0xff) return { name: "utf-16be", label: "utf-16be", mark: true };
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(chunk, { stream: true });
    return { name: "utf-8", label: "utf-8", mark: false };
  } catch {
    return { name: "windows-1252", label: "windows-1252", mark: false };
  }
}
