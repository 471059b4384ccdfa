import * as z from "zod";
import { type Logger } from "../core/ports.ts";
import { type ActivityRecord } from "../shared/gatewayProtocol.ts";

const levels = ["trace", "debug", "info", "warn", "error"] as const;
type Level = (typeof levels)[number];

export const logSchema = z.strictObject({
  format: z.enum(["text", "json"]).optional(),
  level: z.enum(levels).optional(),
});

export interface LogSettings {
  readonly format: "text" | "json";
  /** The lowest that is written. */
  readonly level: Level;
}

export function logSettings({
  format = "text",
  level = "info",
}: z.infer<typeof logSchema> = {}): LogSettings {
  return { format, level };
}

/** The log of `serve`, on stderr: a line of text, or a JSON object, per event. */
export class ServeLog implements Logger {
  settings: LogSettings;

  constructor(settings: LogSettings) {
    this.settings = settings;
  }

  trace(message: string, ...details: unknown[]): void {
    this.#log("trace", message, details);
  }

  debug(message: string, ...details: unknown[]): void {
    this.#log("debug", message, details);
  }

  info(message: string, ...details: unknown[]): void {
    this.#log("info", message, details);
  }

  warn(message: string, ...details: unknown[]): void {
    this.#log("warn", message, details);
  }

  error(message: string, ...details: unknown[]): void {
    this.#log("error", message, details);
  }

  /** One line for a request or tunnel that is over, in JSON alone. A record holds no query, value or reference. */
  access(all: ActivityRecord): void {
    if (this.settings.format === "json" && this.#isWanted("info")) {
      const { id: _id, at, headMs, totalMs, ...record } = all;
      const times = { at: new Date(at).toISOString(), headMs: rounded(headMs), totalMs: rounded(totalMs) };
      this.#writeJson("info", "access", { ...record, ...times });
    }
  }

  #log(level: Level, message: string, details: readonly unknown[]): void {
    if (!this.#isWanted(level)) {
      return;
    }
    const text = [message, ...details.map(String)].join(" ");
    if (this.settings.format === "json") {
      this.#writeJson(level, text, {});
    } else {
      process.stderr.write(`${level} ${text}\n`);
    }
  }

  #writeJson(level: Level, message: string, fields: Readonly<Record<string, unknown>>): void {
    const line = JSON.stringify({ time: new Date().toISOString(), level, message, ...fields });
    process.stderr.write(`${line}\n`);
  }

  #isWanted(level: Level): boolean {
    return levels.indexOf(level) >= levels.indexOf(this.settings.level);
  }
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
