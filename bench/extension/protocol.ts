// What the benchmark tells its probe in the extension host, and what it answers: a line of JSON each, in turn.
import { z } from "zod";

/** Variable of the extension host with the path of the benchmark's socket. */
export const socketVariable = "ONECLI_BENCH_SOCKET";

/** Identifier of the extension that is measured. */
export const extensionId = "onecli.onecli-vscode";

/** Times in milliseconds. */
export const command = z.discriminatedUnion("type", [
  /** Measures the idle host for a `period`, then as long while the extension is activated. */
  z.strictObject({ type: z.literal("activate"), period: z.number() }),
  /** Starts to measure; `blocks` has a timer of 1 ms look for blocks, which costs something itself. */
  z.strictObject({ type: z.literal("begin"), blocks: z.boolean() }),
  z.strictObject({ type: z.literal("end") }),
  /**
   * Blocks the thread for so long: it computes, or it waits as for a file. `child`: a child of the host computes, which
   * blocks nothing and takes as much of the machine.
   */
  z.strictObject({ type: z.literal("block"), how: z.enum(["compute", "wait", "child"]), time: z.number() }),
  z.strictObject({ type: z.literal("beginProfile") }),
  z.strictObject({ type: z.literal("endProfile"), file: z.string() }),
]);
export type Command = z.infer<typeof command>;
export type Blocking = Extract<Command, { type: "block" }>["how"];

/** The main thread in one period; times in milliseconds. */
export const figures = z.strictObject({
  period: z.number(),
  /** CPU time of this thread alone. */
  cpu: z.number(),
  /** Time in which its event loop was not waiting, whoever had the CPU. */
  busy: z.number(),
  /** The longest time between two turns of a timer of 1 ms; 0 where none looked. */
  longestBlock: z.number(),
  /** The most CPU time of this thread between two such turns: a block, without what other programs add to it. */
  longestWork: z.number(),
});
export type Figures = z.infer<typeof figures>;

export const activationFigures = z.strictObject({
  idle: figures,
  active: figures,
  /** Loading extension.js: reading, compiling, running its modules. */
  load: z.number(),
  /** CPU time of that: what other programs on the machine do not lengthen. */
  loadCpu: z.number(),
  /** From asking for the activation to its end, as the editor sees it. */
  whole: z.number(),
  /** Folder of the extension's logs. */
  logs: z.string(),
});
export type ActivationFigures = z.infer<typeof activationFigures>;

export const nothing = z.null();
