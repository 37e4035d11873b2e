/**
 * The number nearest to an exact sum divided by a count: rounded once, also where the sum is beyond 2^53 and turning it into a
 * number first would round twice.
 */
export function divide(sum: number | bigint, count: number | bigint): number {
  if (typeof sum === "number" && typeof count === "number") return sum / count;
  const numerator = BigInt(sum);
  const denominator = BigInt(count);
  const negative = numerator < 0n;
  const magnitude = negative ? -numerator : numerator;
  // 64 bits or more of quotient, the last of which says whether anything was left over: Number() then rounds as if it saw all.
  const shift = Math.max(0, 64 - (bits(magnitude) - bits(denominator)));
  const scaled = magnitude << BigInt(shift);
  const quotient = scaled / denominator;
  const sticky = quotient * denominator === scaled ? quotient : quotient | 1n;
  const result = Number(sticky) * 2 ** -shift;
  return negative ? -result : result;
}

function bits(value: bigint): number {
  return value.toString(16).length * 4;
}
