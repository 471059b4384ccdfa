// A folder that is either complete or not there: made beside its place, then renamed into it.
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

const stampName = ".complete";

async function isStamped(folder: string, stamp: string): Promise<boolean> {
  return readFile(join(folder, stampName), "utf8").then(
    (found) => found === stamp,
    () => false,
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Has `make` fill `folder`, unless an earlier call with the same stamp has; then this takes no time. */
export async function makeOnce(
  folder: string,
  stamp: string,
  make: (into: string) => Promise<void>,
): Promise<void> {
  const parent = dirname(folder);
  const prefix = `${basename(folder)}.part-`;
  await mkdir(parent, { recursive: true });
  for (const name of await readdir(parent)) {
    // What an interrupted run has left. Another run that is at it now keeps its own.
    if (name.startsWith(prefix) && !isAlive(Number(name.slice(prefix.length)))) {
      await rm(join(parent, name), { recursive: true, force: true });
    }
  }
  if (await isStamped(folder, stamp)) {
    return;
  }
  const part = join(parent, `${prefix}${process.pid}`);
  try {
    await mkdir(part);
    await make(part);
    await writeFile(join(part, stampName), stamp);
    if (!(await isStamped(folder, stamp))) {
      await rm(folder, { recursive: true, force: true });
      await rename(part, folder);
    }
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}
