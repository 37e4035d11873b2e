/** Longest key that every backend takes; a key becomes part of a file name on disk. */
const MAX_KEY_LENGTH = 200;
const KEY = /^[a-z0-9-]+(?:\/[a-z0-9-]+)*$/;

/** Under which key a segment of a file is kept: `<tenant>/<file>/<epoch>/<segment>`. Uploads have epoch 0. */
export function segmentKey(place: { tenantId: string; fileId: string; epoch: number; segment: number }): string {
  return `${place.tenantId}/${place.fileId}/${place.epoch}/${place.segment}`;
}

/**
 * The parts of a key. Throws TypeError on a text that is not one: keys are made here and never hold what a user wrote,
 * so a bad one is our own mistake.
 */
export function keyParts(key: string): readonly string[] {
  if (!isKey(key)) throw new TypeError(`"${key}" is not an object key`);
  return key.split("/");
}

/** Could this be a key of ours? Others may have put things beside our objects. */
export function isKey(text: string): boolean {
  return text.length <= MAX_KEY_LENGTH && KEY.test(text);
}
