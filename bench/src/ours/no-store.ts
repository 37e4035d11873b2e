import type { ObjectStore } from "@filemill/server/src/storage/object-store.ts";

const refuse = () => Promise.reject(new Error("A row without files touched the object store"));

/** For rows about the queue alone: any use of it is a mistake of the row. */
export const noStore: ObjectStore = {
  name: "none",
  put: refuse,
  get: refuse,
  head: refuse,
  delete: refuse,
  // oxlint-disable-next-line require-yield
  async *list() {
    await refuse();
  },
  copy: refuse,
  presign: refuse,
  tidy: refuse,
  close: () => Promise.resolve(),
};
