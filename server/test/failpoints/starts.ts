import { openDatabase } from "../../src/db/database.ts";
import { installFailpoint } from "../../src/failpoint.ts";
import { startWhatIsDue } from "./start-what-is-due.ts";

/** A process of its own that starts what is due: <database URL> <tenant> <failpoints>. */
const [url = "", tenantId = "", failpoints = ""] = process.argv.slice(2);
installFailpoint(failpoints);
const database = openDatabase({ url, applicationName: "starts" });
await startWhatIsDue(database, tenantId);
await database.close();
