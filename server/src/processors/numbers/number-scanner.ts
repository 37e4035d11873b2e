import { BadInput } from "../processor.ts";

/** Takes the numbers of a text, in their order. */
export interface NumberSink {
  /** The first `count` of `values` are the next: integers of at most 15 digits, so exact as numbers. `values` is used again. */
  small(values: Float64Array, count: number): void;
  large(value: bigint): void;
  /** With a decimal point or an exponent; finite. */
  decimal(value: number): void;
}

export interface NumberScanner {
  /** Takes the next bytes, cut anywhere. Throws BadInput `corrupt` on anything but numbers and white space. */
  scan(chunk: Uint8Array): void;
  /** Says that no more bytes come. */
  end(): void;
}

/** Integers of so many digits are always below 2^53. */
const SAFE_DIGITS = 15;
/** BigInt parsing is quadratic; a "number" of megabytes is an attack. */
const MAX_DIGITS = 1_000;

const SPACE = 0x20;
const MINUS = 0x2d;
const PLUS = 0x2b;
const ZERO = 0x30;
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const INTEGER = /^[+-]?\d+$/;

/** Integers that are handed on together: a call for each takes as long as reading it. */
const BATCH = 4_096;

/**
 * Reads numbers separated by white space out of a stream of bytes. Integers of usual size never become strings, and the loop
 * works on variables of its own, which the compiler keeps in registers.
 */
export function createNumberScanner(name: string, sink: NumberSink): NumberScanner {
  /** What the bytes before left: of a number with up to 15 digits its value; of any other its text. */
  let value = 0;
  let digits = 0;
  let sign = 0;
  let text = "";
  let count = 0;
  const batch = new Float64Array(BATCH);
  let filled = 0;

  const corrupt = (what: string): BadInput =>
    new BadInput(
      "corrupt",
      `"${name}": ${what} stands where number ${count + filled + 1} should be; only numbers and white space are allowed.`,
    );

  function flush(): void {
    if (filled > 0) sink.small(batch, filled);
    count += filled;
    filled = 0;
  }

  function emitText(token: string): void {
    flush();
    if (INTEGER.test(token)) sink.large(BigInt(token.startsWith("+") ? token.slice(1) : token));
    else {
      const decimal = Number(token);
      if (!DECIMAL.test(token)) throw corrupt(`"${token.slice(0, 40)}"`);
      if (!Number.isFinite(decimal)) throw corrupt(`"${token.slice(0, 40)}", which is more than a number can hold,`);
      sink.decimal(decimal);
    }
    count++;
  }

  function lengthen(token: string, byte: number): string {
    if (token.length >= MAX_DIGITS) throw corrupt(`a number of more than ${MAX_DIGITS} digits`);
    return token + String.fromCharCode(byte);
  }

  return {
    scan(chunk) {
      let current = value;
      let length = digits;
      let signed = sign;
      for (let index = 0; index < chunk.length; index++) {
        const byte = chunk[index] ?? 0;
        const digit = byte - ZERO;
        if (digit >= 0 && digit <= 9 && length < SAFE_DIGITS) {
          current = current * 10 + digit;
          length++;
        } else if (byte === SPACE || (byte >= 0x09 && byte <= 0x0d)) {
          if (length === AS_TEXT) emitText(text);
          else if (length > 0) {
            batch[filled++] = signed === MINUS ? 0 - current : current;
            if (filled === BATCH) flush();
          } else if (signed !== 0) throw corrupt("a sign without a number");
          current = 0;
          length = 0;
          signed = 0;
        } else if ((byte === MINUS || byte === PLUS) && length === 0 && signed === 0) {
          signed = byte;
        } else if (isOfNumber(byte, length === AS_TEXT ? text : "")) {
          text = lengthen(length === AS_TEXT ? text : spelled(current, length, signed), byte);
          length = AS_TEXT;
        } else throw corrupt(shown(byte));
      }
      value = current;
      digits = length;
      sign = signed;
    },
    end() {
      if (digits === AS_TEXT) emitText(text);
      else if (digits > 0) batch[filled++] = sign === MINUS ? 0 - value : value;
      else if (sign !== 0) throw corrupt("a sign without a number");
      flush();
      value = 0;
      digits = 0;
      sign = 0;
    },
  };
}

/** As a number of digits: it is kept as text. */
const AS_TEXT = SAFE_DIGITS + 1;

/** May this byte make a number longer that is told as text, or begin to be told so? */
function isOfNumber(byte: number, token: string): boolean {
  if (byte >= ZERO && byte <= 0x39) return true;
  const character = String.fromCharCode(byte);
  if (character === "." || character === "e" || character === "E") return true;
  return (byte === MINUS || byte === PLUS) && /e$/i.test(token);
}

/** What stands in the text for so many digits of this value. */
function spelled(value: number, digits: number, sign: number): string {
  const given = sign === 0 ? "" : String.fromCharCode(sign);
  return given + (digits === 0 ? "" : String(value).padStart(digits, "0"));
}

function shown(byte: number): string {
  return byte > SPACE && byte < 0x7f ? `"${String.fromCharCode(byte)}"` : `the byte 0x${byte.toString(16).padStart(2, "0")}`;
}
