// What http://onecli.internal/ answers, as far as a relay to another gateway reads it.
import * as z from "zod";

export const helpAnswer = z.object({ product: z.literal("OneCLI") });

export const refusalAnswer = z.object({
  error: z.object({ code: z.string(), message: z.string(), hint: z.string() }),
});
