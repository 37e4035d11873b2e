/** Says that it is ready, answers what it is asked, and ends when its parent is gone. CHILD=fails: ends at once; CHILD=stubborn: ignores SIGTERM. */
if (process.env.CHILD === "fails") process.exit(3);
process.on("SIGTERM", () => {
  if (process.env.CHILD !== "stubborn") process.exit(0);
});
process.on("disconnect", () => process.exit(0));
process.on("message", (message) => {
  if (typeof message === "object" && message !== null && "question" in message) {
    process.send?.({ type: "measured", question: message.question, text: "alive 1\n" });
  }
});
process.send?.({ type: "ready", port: process.pid });
