import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";

/**
 * Overwrites a variable in the block of memory that this process was started with. Deleting it from `process.env` is
 * not enough: Linux shows that block as /proc/PID/environ to every process of the user, the command of `run` included.
 * Done as well as may be: other systems have no such file, and a sandbox may refuse.
 */
export function eraseFromStartEnvironment(name: string): void {
  try {
    const block = readFileSync("/proc/self/environ");
    const start = startOfBlock(readFileSync("/proc/self/stat", "latin1"));
    const memory = openSync("/proc/self/mem", "r+");
    try {
      for (const { offset, length } of valuesOf(name, block)) {
        const there = Buffer.alloc(length);
        readSync(memory, there, 0, length, start + offset);
        if (there.equals(block.subarray(offset, offset + length))) {
          writeSync(memory, Buffer.alloc(length), 0, length, start + offset);
        }
      }
    } finally {
      closeSync(memory);
    }
  } catch {
    // Where it cannot be done, only --token-fd leaves nothing to be erased.
  }
}

/** Where a variable's values lie in a block of `NAME=value\0` entries. */
function* valuesOf(name: string, block: Buffer): Generator<{ offset: number; length: number }> {
  const key = Buffer.from(`${name}=`);
  for (let entry = 0; entry < block.length;) {
    const end = block.indexOf(0, entry);
    const next = end === -1 ? block.length : end;
    if (block.subarray(entry, entry + key.length).equals(key)) {
      yield { offset: entry + key.length, length: next - entry - key.length };
    }
    entry = next + 1;
  }
}

/** env_start, the 50th field (proc_pid_stat(5)); the 2nd, the program's name, may hold blanks and parentheses. */
function startOfBlock(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[50 - 3]);
}
