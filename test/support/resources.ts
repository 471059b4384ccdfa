// What a process holds, counted from outside of the code under test. Linux.
import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Milliseconds after which what is still held is taken for kept. */
const patience = 10_000;

/** Open file descriptors: sockets, pipes, files. */
export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Fulfilled when no more descriptors are open than before; where that never comes the test's time ends it. */
export async function descriptorsBackTo(before: number): Promise<void> {
  while (openDescriptors() > before) {
    await new Promise(setImmediate);
  }
}

/** Open descriptors, and by kind the sockets, servers and timers that keep the event loop going. */
export function openResources(): Readonly<Record<string, number>> {
  const counts: Record<string, number> = { descriptors: openDescriptors() };
  for (const kind of process.getActiveResourcesInfo()) {
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/** Fulfilled when the number of open descriptors stays as it is: closing takes turns of the event loop at both ends. */
export async function descriptorsAtRest(): Promise<number> {
  let before = -1;
  for (let unchanged = 0; unchanged < 200; unchanged++) {
    if (openDescriptors() !== before) {
      before = openDescriptors();
      unchanged = 0;
    }
    await new Promise(setImmediate);
  }
  return before;
}

/** Bytes in the heap, once what nobody holds is gone. */
export function heapInUse(): number {
  collectGarbage();
  // A second collection takes what the first one's finalizers have let go of.
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/**
 * Waits until no more is open than was.
 * @returns what is still more when patience ends, with both counts; empty where all is as before.
 */
export async function moreOpenThan(before: Readonly<Record<string, number>>): Promise<string[]> {
  const until = performance.now() + patience;
  for (;;) {
    await descriptorsAtRest();
    const more = Object.entries(openResources())
      .filter(([kind, count]) => count > (before[kind] ?? 0))
      .map(([kind, count]) => `${kind}: ${before[kind] ?? 0} before, ${count} after`);
    if (more.length === 0 || performance.now() > until) {
      return more;
    }
  }
}
