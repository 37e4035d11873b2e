/** As much of Uppy as is used here. Its own types pull in those of browsers, which then hide Node's everywhere. */
interface Uppy {
  use(plugin: unknown, options: unknown): unknown;
  addFile(file: unknown): unknown;
  upload(): Promise<{ failed: unknown[] } | undefined>;
}

const CORE: string = "@uppy/core";
const TUS: string = "@uppy/tus";

export interface UppyOrder {
  readonly url: string;
  readonly key: string;
  readonly retryDelaysMs: readonly number[];
  readonly contents: readonly Buffer[];
  readonly meta: Readonly<Record<string, string>>;
}

/** Uploads each content as `uppy-<index>.bin` with Uppy and its tus plugin; gives what failed. */
export async function uppyUpload({ url, key, retryDelaysMs, contents, meta }: UppyOrder): Promise<unknown[]> {
  const { default: core } = (await import(CORE)) as { default: new () => Uppy };
  const { default: tus } = (await import(TUS)) as { default: unknown };
  const uppy = new core();
  uppy.use(tus, { endpoint: `${url}/api/v1/uploads`, headers: { authorization: `Bearer ${key}` }, retryDelays: [...retryDelaysMs] });
  // Made for browsers; in Node its tus plugin takes what tus-js-client takes there.
  contents.forEach((data, index) => uppy.addFile({ name: `uppy-${index}.bin`, data, meta }));
  const result = await uppy.upload();
  return result === undefined ? ["no result"] : result.failed;
}
