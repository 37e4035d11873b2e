/** Places that tasks take together, where a worker has `slots` of them. */
export function weigh(tasks: readonly { readonly weight: number }[], slots = Number.POSITIVE_INFINITY): number {
  return tasks.reduce((sum, { weight }) => sum + Math.min(weight, slots), 0);
}
