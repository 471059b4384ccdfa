import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { processesBelow } from "../../test/support/processTree.ts";
import { type Running } from "../contenders/contender.ts";

/**
 * Gives the proxies a core of their own, and the others to whatever else runs below this process. Where a system puts
 * programs that wake each other decides whether they share a core's caches: luck that comes and goes by the round.
 * @returns takes that back
 */
export function setApart(proxies: readonly Running[]): () => void {
  const cores = coresOf(process.pid);
  const own = cores.at(-1)!;
  const rest = cores.slice(0, -1);
  if (rest.length === 0) {
    return () => undefined;
  }
  const others = new Set(processesBelow(process.pid));
  const apart = proxies.flatMap(({ pid }) => (pid === undefined ? [] : processesBelow(pid)));
  apart.forEach((pid) => others.delete(pid));
  keepOn([own], apart);
  keepOn(rest, others);
  return () => keepOn(cores, processesBelow(process.pid));
}

/** With their threads; what they start later stays there too. */
function keepOn(cores: readonly number[], pids: Iterable<number>): void {
  for (const pid of pids) {
    execFileSync("taskset", ["--all-tasks", "--cpu-list", "--pid", cores.join(","), String(pid)], {
      stdio: "ignore",
    });
  }
}

function coresOf(pid: number): number[] {
  const [, list = ""] =
    /^Cpus_allowed_list:\s+(.+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
