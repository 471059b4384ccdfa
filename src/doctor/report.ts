import { z } from "zod";

export const columns = ["proxy", "ca", "header", "sse", "webSocket", "h2"] as const;
export type Column = (typeof columns)[number];

/** One thing that was looked at. Only `failed` is red. */
const cell = z.discriminatedUnion("state", [
  /** `as` says where less than a request through the gateway was proved. */
  z.strictObject({ state: z.literal("ok"), as: z.string().optional() }),
  z.strictObject({ state: z.literal("failed"), cause: z.string(), fix: z.string() }),
  z.strictObject({ state: z.literal("none"), reason: z.string() }),
]);

const toolReport = z.strictObject({
  name: z.string(),
  /** Path of the program; null where there is none on the PATH. */
  program: z.string().nullable(),
  version: z.string().nullable(),
  cells: z.strictObject({ proxy: cell, ca: cell, header: cell, sse: cell, webSocket: cell, h2: cell }),
});

/** What `onecli-gateway doctor --json` prints. */
export const reportSchema = z.strictObject({
  product: z.literal("OneCLI Doctor"),
  version: z.string(),
  /** Nothing is red. */
  ok: z.boolean(),
  /** How many cells are. */
  problems: z.int().min(0),
  environment: z.array(z.strictObject({ name: z.string(), cell })),
  tools: z.array(toolReport),
  notes: z.array(z.string()),
});

export type Cell = z.infer<typeof cell>;
export type Failure = Extract<Cell, { state: "failed" }>;
export type ToolReport = z.infer<typeof toolReport>;
export type EnvironmentRow = z.infer<typeof reportSchema>["environment"][number];
export type Report = z.infer<typeof reportSchema>;

export const ok: Cell = { state: "ok" };

export function none(reason: string): Cell {
  return { state: "none", reason };
}

export function failed(cause: string, fix: string): Failure {
  return { state: "failed", cause, fix };
}

/** The same cell in every column that is not given. */
export function cellsOf(given: Partial<ToolReport["cells"]>, others: Cell): ToolReport["cells"] {
  return { proxy: others, ca: others, header: others, sse: others, webSocket: others, h2: others, ...given };
}
