export interface TextCounts {
  /** As `wc -l`, plus a last line that has no line end. */
  readonly lines: number;
  readonly words: number;
  /** Unicode code points, line ends included. */
  readonly characters: number;
  /** Code points without the line end; 0 where there is no line. */
  readonly longestLine: number;
  /** From 1; 0 where there is no line. */
  readonly longestLineNumber: number;
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Counts a text that comes in pieces, cut anywhere; holds nothing but numbers. Lines end with LF, CR LF or CR. */
export function createTextCounter(): { add(text: string): void; end(): TextCounts } {
  let lines = 0;
  let words = 0;
  let characters = 0;
  let inWord = false;
  let afterReturn = false;
  let lineLength = 0;
  let longestLine = 0;
  let longestLineNumber = 0;
  let lineOpen = false;

  const endLine = (): void => {
    lines++;
    if (longestLineNumber === 0 || lineLength > longestLine) {
      longestLine = lineLength;
      longestLineNumber = lines;
    }
    lineLength = 0;
    lineOpen = false;
  };

  return {
    add(text) {
      for (let index = 0; index < text.length; index++) {
        const unit = text.charCodeAt(index);
        // The second half of a surrogate pair belongs to the character before it.
        if (unit >= 0xdc00 && unit <= 0xdfff) continue;
        characters++;
        if (unit === LINE_FEED || unit === CARRIAGE_RETURN) {
          if (!(unit === LINE_FEED && afterReturn)) endLine();
          afterReturn = unit === CARRIAGE_RETURN;
          inWord = false;
          continue;
        }
        afterReturn = false;
        lineLength++;
        lineOpen = true;
        const space = isSpace(unit);
        if (!space && !inWord) words++;
        inWord = !space;
      }
    },
    end() {
      if (lineOpen) endLine();
      return { lines, words, characters, longestLine, longestLineNumber };
    },
  };
}

function isSpace(unit: number): boolean {
  if (unit <= 0x20) return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d);
  return (
    unit === 0xa0 ||
    unit === 0x1680 ||
    (unit >= 0x2000 && unit <= 0x200a) ||
    unit === 0x2028 ||
    unit === 0x2029 ||
    unit === 0x202f ||
    unit === 0x205f ||
    unit === 0x3000
  );
}
