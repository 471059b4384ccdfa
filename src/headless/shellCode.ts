import { type TerminalEnvironment } from "../core/terminalEnvironment.ts";

export const shells = ["sh", "fish", "powershell"] as const;
export type Shell = (typeof shells)[number];

interface Syntax {
  readonly set: (name: string, value: string) => string;
  readonly unset: (name: string) => string;
}

const syntax: Readonly<Record<Shell, Syntax>> = {
  sh: {
    set: (name, value) => `export ${name}='${value.replaceAll("'", String.raw`'\''`)}'`,
    unset: (name) => `unset ${name}`,
  },
  fish: {
    set: (name, value) =>
      `set -gx ${name} '${value.replaceAll("\\", "\\\\").replaceAll("'", String.raw`\'`)}'`,
    unset: (name) => `set -e ${name}`,
  },
  powershell: {
    // PowerShell takes the typographic quotes for single quotes too.
    set: (name, value) => `$Env:${name} = '${value.replace(/['\u2018-\u201b]/g, "$&$&")}'`,
    unset: (name) => `Remove-Item Env:${name} -ErrorAction SilentlyContinue`,
  },
};

/** Lines that a shell evaluates to have the environment. */
export function shellCode({ set, unset }: TerminalEnvironment, shell: Shell): string {
  const lines = [
    ...unset.map((name) => syntax[shell].unset(name)),
    ...Object.entries(set).map(([name, value]) => syntax[shell].set(name, value)),
  ];
  return lines.map((line) => `${line}\n`).join("");
}
