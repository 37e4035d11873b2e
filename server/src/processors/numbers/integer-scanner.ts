import { BadInput } from "../processor.ts";

export interface IntegerSink {
  /** An integer of at most 15 digits, so exact as a number. */
  small(value: number): void;
  large(value: bigint): void;
}

export interface IntegerScanner {
  /** Takes the next bytes, cut anywhere. Throws BadInput `corrupt` on anything but integers and white space. */
  scan(chunk: Uint8Array): void;
  /** Says that no more bytes come. */
  end(): void;
}

/** Numbers of so many digits are always below 2^53. */
const SAFE_DIGITS = 15;
/** BigInt parsing is quadratic; a "number" of megabytes is an attack. */
const MAX_DIGITS = 1_000;

const SPACE = 0x20;
const MINUS = 0x2d;
const PLUS = 0x2b;
const ZERO = 0x30;

/** Reads integers separated by white space out of a stream of bytes, without making strings of them. */
export function createIntegerScanner(name: string, sink: IntegerSink): IntegerScanner {
  let value = 0;
  let digits = 0;
  let signed = false;
  let negative = false;
  let text = "";
  let count = 0;

  const emit = (): void => {
    if (digits === 0) {
      if (signed) throw corrupt("a sign without a number");
      return;
    }
    count++;
    if (digits <= SAFE_DIGITS) sink.small(negative ? -value : value);
    else sink.large(negative ? -BigInt(text) : BigInt(text));
    value = 0;
    digits = 0;
    signed = false;
    negative = false;
    text = "";
  };

  const corrupt = (what: string): BadInput =>
    new BadInput(
      "corrupt",
      `"${name}": ${what} stands where integer ${count + 1} should be; only whole numbers and white space are allowed.`,
    );

  return {
    scan(chunk) {
      for (let index = 0; index < chunk.length; index++) {
        const byte = chunk[index] ?? 0;
        const digit = byte - ZERO;
        if (digit >= 0 && digit <= 9) {
          if (digits < SAFE_DIGITS) {
            value = value * 10 + digit;
          } else {
            if (digits === SAFE_DIGITS) text = String(value).padStart(SAFE_DIGITS, "0");
            if (digits >= MAX_DIGITS) throw corrupt(`a number of more than ${MAX_DIGITS} digits`);
            text += String(digit);
          }
          digits++;
        } else if (byte === SPACE || (byte >= 0x09 && byte <= 0x0d)) {
          if (digits > 0 || signed) emit();
        } else if ((byte === MINUS || byte === PLUS) && digits === 0 && !signed) {
          signed = true;
          negative = byte === MINUS;
        } else {
          throw corrupt(
            byte > SPACE && byte < 0x7f ? `"${String.fromCharCode(byte)}"` : `the byte 0x${byte.toString(16).padStart(2, "0")}`,
          );
        }
      }
    },
    end: emit,
  };
}
