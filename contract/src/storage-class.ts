/**
 * What keeping costs against what reading costs. `hot`: read at once. `cold`: read at once, cheaper to keep. `archive`:
 * cheapest to keep; some stores must bring it back before it can be read.
 */
export const STORAGE_CLASSES = ["hot", "cold", "archive"] as const;
export type StorageClass = (typeof STORAGE_CLASSES)[number];
