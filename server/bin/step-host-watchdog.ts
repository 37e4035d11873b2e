import { workerData } from "node:worker_threads";

/**
 * A thread of a step host where no bwrap ties the host's life to the worker's, whose pid is its data. When the worker
 * is gone the host's parent changes; then the whole process group ends, also if the host's own event loop hangs in native code.
 */
const CHECK_MS = 500;

setInterval(() => {
  // SIGKILL to the group, whose leader the host is: no handler of a codec can hold it up.
  if (process.ppid !== workerData) process.kill(-process.pid, "SIGKILL");
}, CHECK_MS);
