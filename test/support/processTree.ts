import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Whether this system shows environments (Linux does). */
export const showsEnvironments = existsSync("/proc/self/environ");

/** A process and all below it, as the system shows them right now. */
export function processesBelow(root: number): number[] {
  const parents = new Map<number, number>();
  for (const pid of readdirSync("/proc").map(Number)) {
    if (!Number.isNaN(pid)) {
      parents.set(pid, Number(statOf(pid)[1]));
    }
  }
  const isBelow = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === root || (pid > 1 && isBelow(parents.get(pid))));
  return [...parents.keys()].filter(isBelow);
}

/** `PID program` → environment and arguments, of a process and all below it. */
export function environmentsBelow(root: number): Map<string, string> {
  return new Map(
    processesBelow(root).map((pid) => {
      const about = read(`/proc/${pid}/environ`) + read(`/proc/${pid}/cmdline`);
      return [`${pid} ${read(`/proc/${pid}/comm`).trim()}`, about];
    }),
  );
}

/** Clock ticks per second in /proc (USER_HZ), fixed at 100 on Linux. */
const ticksPerSecond = 100;

/** Seconds of CPU, user and system, that a process and all below it have used. */
export function cpuSeconds(root: number): number {
  const ticks = processesBelow(root).flatMap((pid) => statOf(pid).slice(11, 13).map(Number));
  return ticks.reduce((sum, count) => sum + count, 0) / ticksPerSecond;
}

/** Bytes of memory that a process and all below it have of their own, or their part of what they share. */
export function memoryOf(root: number): number {
  const kilobytes = processesBelow(root).map((pid) =>
    Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0),
  );
  return kilobytes.reduce((sum, size) => sum + size, 0) * 1024;
}

/** Fields from the 3rd on (proc_pid_stat(5)); the 2nd, the program's name, may hold blanks and parentheses. */
function statOf(pid: number): string[] {
  const stat = read(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** "" for a process that has ended in the meantime. */
function read(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}
