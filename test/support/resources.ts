// What a process holds open, counted from outside of the code under test. Linux.
import { readdirSync } from "node:fs";

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
