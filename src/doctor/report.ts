import { type Cell, type Report, type ToolReport } from "../shared/doctorReport.ts";

export const columns = ["proxy", "ca", "header", "sse", "webSocket", "h2"] as const;
export type Column = (typeof columns)[number];

export type Failure = Extract<Cell, { state: "failed" }>;
export type EnvironmentRow = Report["environment"][number];

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
