/** Writes a command line for a shell that is known by its name (`bash`, `pwsh.exe`); most speak as sh does. */
export function shellCommand(
  shell: string,
  environment: Readonly<Record<string, string>>,
  command: readonly string[],
): string {
  const name = shell.toLowerCase().replace(/\.exe$/, "");
  const variables = Object.entries(environment);
  switch (name) {
    case "pwsh":
    case "powershell":
      return [
        ...variables.map(([key, value]) => `$env:${key} = ${inPowerShell(value)}`),
        `& ${command.map(inPowerShell).join(" ")}`,
        ...variables.map(([key]) => `Remove-Item Env:${key}`),
      ].join("; ");
    case "cmd":
      // Blanks before an & would become part of the value.
      return [
        ...variables.map(([key, value]) => `set "${key}=${value}"`),
        command.map((part) => `"${part}"`).join(" "),
        ...variables.map(([key]) => `set "${key}="`),
      ].join("& ");
    case "fish":
      return ["env", ...variables.map(([key, value]) => `${key}=${value}`), ...command].map(inFish).join(" ");
    default:
      return ["env", ...variables.map(([key, value]) => `${key}=${value}`), ...command].map(inSh).join(" ");
  }
}

/** What no shell takes for anything else stays as it is: people read the line. */
const isPlain = (text: string) => /^[\w./=:-]+$/.test(text);

function inSh(text: string): string {
  return isPlain(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function inFish(text: string): string {
  return isPlain(text) ? text : `'${text.replaceAll("\\", "\\\\").replaceAll("'", String.raw`\'`)}'`;
}

function inPowerShell(text: string): string {
  // PowerShell takes the typographic quotes for single quotes too.
  return `'${text.replace(/['\u2018-\u201b]/g, "$&$&")}'`;
}
