import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Whether this system shows environments (Linux does). */
export const showsEnvironments = existsSync("/proc/self/environ");

/** `PID program` → environment and arguments, of a process and all below it, as the system shows them right now. */
export function environmentsBelow(root: number): Map<string, string> {
  const parents = new Map<number, number>();
  for (const pid of readdirSync("/proc").map(Number)) {
    const stat = Number.isNaN(pid) ? "" : read(`/proc/${pid}/stat`);
    // The 4th field (proc_pid_stat(5)); the 2nd, the program's name, may hold blanks and parentheses.
    parents.set(pid, Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
  }
  const isBelow = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === root || (pid > 1 && isBelow(parents.get(pid))));
  return new Map(
    [...parents.keys()].filter(isBelow).map((pid) => {
      const about = read(`/proc/${pid}/environ`) + read(`/proc/${pid}/cmdline`);
      return [`${pid} ${read(`/proc/${pid}/comm`).trim()}`, about];
    }),
  );
}

/** "" for a process that has ended in the meantime. */
function read(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}
