// Loaded before any schema is made. Zod would write and compile code for each of them when it is first used: that takes
// longer than all that this window parses in minutes, and an extension host is no place for code made at run time.
import * as z from "zod";

z.config({ jitless: true });
