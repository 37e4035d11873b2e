import { demoConcat, demoCopy, demoCount, demoMany, demoNoop, demoSleep } from "./demo-work.ts";
import { demoCrash, demoFail, demoHang, demoHog } from "./demo-faults.ts";

/** For tests, by FILEMILL_EXTRA_PROCESSORS. */
export default [demoConcat, demoCopy, demoCount, demoCrash, demoFail, demoHang, demoHog, demoMany, demoNoop, demoSleep];
