import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Environment } from "./subprocess.ts";

/** Files that shells read at their start, the user's first; `~` is the home folder. */
const files = [
  "~/.bashrc",
  "~/.bash_profile",
  "~/.bash_login",
  "~/.profile",
  "~/.zshenv",
  "~/.zshrc",
  "~/.zprofile",
  "~/.zlogin",
  "~/.config/fish/config.fish",
  "~/.config/powershell/profile.ps1",
  "~/.config/powershell/Microsoft.PowerShell_profile.ps1",
  "~/Documents/PowerShell/Microsoft.PowerShell_profile.ps1",
  "~/Documents/WindowsPowerShell/Microsoft.PowerShell_profile.ps1",
  "/etc/environment",
  "/etc/profile",
  "/etc/bash.bashrc",
  "/etc/zsh/zshrc",
  "/etc/zshrc",
] as const;

/** Where a variable is given a value or taken away: `~/.bashrc, line 12`. */
export async function whereSet(variable: string, environment: Environment): Promise<string[]> {
  const home = homeOf(environment);
  const found: string[] = [];
  for (const file of files) {
    const lines = (await readText(resolveHome(file, home))).split("\n");
    for (const [index, line] of lines.entries()) {
      if (sets(line, variable)) {
        found.push(`${file}, line ${index + 1}`);
      }
    }
  }
  return found;
}

function sets(line: string, variable: string): boolean {
  const name = variable.replaceAll(/[^A-Za-z0-9_]/g, "");
  const statement = new RegExp(
    String.raw`^[^#]*(?:(?<![\w$])${name}=|\bset\s+-\w+\s+${name}\b|\bunset\s[^#;]*\b${name}\b|\$env:${name}\s*=)`,
    // PowerShell and Windows do not tell cases apart; shells do.
    line.includes("$") && /\$env:/i.test(line) ? "i" : "",
  );
  return statement.test(line);
}

export function homeOf(environment: Environment): string {
  return environment["HOME"] ?? environment["USERPROFILE"] ?? "";
}

export function resolveHome(file: string, home: string): string {
  return file.startsWith("~/") ? join(home, file.slice(2)) : file;
}

/** The text of a file, empty where it cannot be read. */
export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch {
    return "";
  }
}
