import { damagedContent } from "../../../test/damage/damaged-content.ts";

damagedContent(24);
