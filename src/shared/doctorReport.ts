// What the doctor found. In the small form of zod: the dashboard's page reads it, too.
import * as z from "zod/mini";

/** One thing that was looked at. Only `failed` is red. */
const cell = z.discriminatedUnion("state", [
  /** `as` says where less than a request through the gateway was proved. */
  z.strictObject({ state: z.literal("ok"), as: z.optional(z.string()) }),
  z.strictObject({ state: z.literal("failed"), cause: z.string(), fix: z.string() }),
  z.strictObject({ state: z.literal("none"), reason: z.string() }),
]);

const toolReport = z.strictObject({
  name: z.string(),
  /** Path of the program; null where there is none on the PATH. */
  program: z.nullable(z.string()),
  version: z.nullable(z.string()),
  cells: z.strictObject({ proxy: cell, ca: cell, header: cell, sse: cell, webSocket: cell, h2: cell }),
});

/** What `onecli-gateway doctor --json` prints. */
export const reportSchema = z.strictObject({
  product: z.literal("OneCLI Doctor"),
  version: z.string(),
  /** Nothing is red. */
  ok: z.boolean(),
  /** How many cells are. */
  problems: z.int().check(z.minimum(0)),
  environment: z.array(z.strictObject({ name: z.string(), cell })),
  tools: z.array(toolReport),
  notes: z.array(z.string()),
});

export type Cell = z.infer<typeof cell>;
export type ToolReport = z.infer<typeof toolReport>;
export type Report = z.infer<typeof reportSchema>;
