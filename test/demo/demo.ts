// npm run demo: exits 0 only if every row of the table is true.
import { prove } from "./proof.ts";

process.exitCode = (await prove()) ? 0 : 1;
