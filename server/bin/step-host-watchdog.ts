/**
 * A thread of a step host where no bwrap ties the host's life to the worker's. When the worker is gone the host's
 * parent changes; then the whole process group ends, also if the host's own event loop hangs in native code.
 */
const CHECK_MS = 500;

const parent = process.ppid;
setInterval(() => {
  // SIGKILL to the group, whose leader the host is: no handler of a codec can hold it up.
  if (process.ppid !== parent) process.kill(-process.pid, "SIGKILL");
}, CHECK_MS);
