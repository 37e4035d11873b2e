/**
 * Says that it is ready, answers what it is asked, and ends when its parent is gone. CHILD=fails: ends at once;
 * CHILD=stubborn: ignores SIGTERM; CHILD=hangs: blocks its event loop for good as soon as it is ready; CHILD=busy: is not
 * done with a drain before it is asked something, or SIGTERM comes.
 */
if (process.env.CHILD === "fails") process.exit(3);
process.on("SIGTERM", () => {
  if (process.env.CHILD !== "stubborn") process.exit(0);
});
process.on("disconnect", () => process.exit(0));
let drains = false;
let pings = 0;
process.on("message", (message) => {
  if (typeof message !== "object" || message === null) return;
  if (drains && "question" in message) process.exit(0);
  if ("type" in message && message.type === "drain") {
    if (process.env.CHILD !== "busy") process.exit(0);
    drains = true;
  } else if ("question" in message) process.send?.({ type: "measured", question: message.question, text: `pings ${pings}\n` });
  else if ("type" in message && message.type === "ping") {
    pings += 1;
    process.send?.({ type: "pong" });
  }
});
process.send?.({ type: "ready", port: process.pid }, () => {
  if (process.env.CHILD === "hangs") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});
