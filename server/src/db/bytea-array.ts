/** Of the type bytea. */
const BYTEA_OID = 17;
const ARRAY_HEAD_BYTES = 20;

/**
 * A bytea[] as one parameter in PostgreSQL's binary form: `${byteaArray(contents)}::bytea[]`. As an array of buffers they would
 * go as text in hex, which is twice as much to write, to escape, to send and to parse.
 *
 * As array_recv reads it: dimensions, whether there are nulls, type of the elements, their number, the first index; then each
 * element behind its length.
 */
export function byteaArray(elements: readonly Uint8Array[]): Buffer {
  const bytes = elements.reduce((sum, element) => sum + 4 + element.length, ARRAY_HEAD_BYTES);
  const array = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const field of [1, 0, BYTEA_OID, elements.length, 1]) at = array.writeInt32BE(field, at);
  for (const element of elements) {
    at = array.writeInt32BE(element.length, at);
    array.set(element, at);
    at += element.length;
  }
  return array;
}
