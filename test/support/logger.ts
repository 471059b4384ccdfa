import { type Logger } from "../../src/core/ports.ts";

/** Keeps what is logged, so that a test can look for what must not be in it. */
export function recordingLogger(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const log =
    (level: string) =>
    (message: string, ...args: unknown[]) =>
      void lines.push([level, message, ...args.map(String)].join(" "));
  return {
    lines,
    trace: log("trace"),
    debug: log("debug"),
    info: log("info"),
    warn: log("warn"),
    error: log("error"),
  };
}
