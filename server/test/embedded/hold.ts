import { startEmbedded } from "../../src/db/embedded.ts";

/** A process that runs the embedded database of the folder given, says where, and holds it until it is killed or told to stop. */
const database = await startEmbedded({ dataFolder: process.argv[2] ?? "", address: "http://127.0.0.1:8080" }).catch((error: unknown) => {
  process.send?.({ error: error instanceof Error ? error.message : String(error) });
  process.exit(1);
});
process.send?.({ pid: database.pid, adminUrl: database.adminUrl });
process.on("disconnect", () => process.exit(0));
process.on("message", () => void database.stop(5_000).then(() => process.exit(0)));
