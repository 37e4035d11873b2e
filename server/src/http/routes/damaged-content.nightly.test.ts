import { damagedContent } from "../../../test/damage/damaged-content.ts";

damagedContent(1_000);
