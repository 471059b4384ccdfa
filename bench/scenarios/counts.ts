// What is counted on a gateway of its own, before it has been asked anything.
import { cpuSeconds } from "../../test/support/processTree.ts";
import { startOurs } from "../contenders/ours.ts";
import { openTls } from "../support/clients.ts";
import { runThrough } from "../support/loadTools.ts";
import { type World } from "../support/world.ts";

const leaves = 100;

export interface Counts {
  /** Requests to 1Password for one reference: of one request, and of 1,000 at once. */
  readonly readsOfOne: number;
  readonly readsOfMany: number;
  /** Milliseconds of CPU for a host's first leaf, beyond what its next connection costs. */
  readonly firstLeaf: number;
}

export async function count(world: World): Promise<Counts> {
  return {
    readsOfOne: await readsOf(world, 1),
    readsOfMany: await readsOf(world, 1000),
    firstLeaf: await costOfLeaf(world),
  };
}

async function readsOf(world: World, requests: number): Promise<number> {
  const fresh = { name: `cold-${requests}`, start: () => startOurs(world, `cold-${requests}`) };
  const running = { ...fresh, ...(await fresh.start()) };
  const before = world.service.countReads();
  await runThrough(running, world, [
    "h2load",
    `--requests=${requests}`,
    `--clients=${Math.min(requests, 10)}`,
    "--max-concurrent-streams=100",
    `${world.origins.http2}/`,
  ]);
  return world.service.countReads() - before;
}

async function costOfLeaf(world: World): Promise<number> {
  const hostnames = Array.from({ length: leaves }, (_, index) => `leaf-${index}.example.com`);
  const started = await startOurs(world, "leaves", hostnames);
  const running = { name: "leaves", start: () => Promise.resolve(started), ...started };
  const connectToAll = async () => {
    const before = cpuSeconds(started.pid);
    for (const hostname of hostnames) {
      (await openTls(running, `https://${hostname}:443`)).destroy();
    }
    return cpuSeconds(started.pid) - before;
  };
  const first = await connectToAll();
  const next = await connectToAll();
  return ((first - next) / leaves) * 1000;
}
