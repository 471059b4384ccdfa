// JavaScript's other runtimes, which npm carries for those who have not installed them.
import { type NpmProgram } from "./install.ts";

export const runtimes: readonly NpmProgram[] = [
  // What its package calls a program is a script of Node that starts the program.
  { package: "deno", version: "2.9.6", program: "deno", installScript: "install.cjs", folder: "deno" },
  { package: "bun", version: "1.4.5", program: "bun", installScript: "install.js" },
];
