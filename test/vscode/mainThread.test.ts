import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startWorld, type World } from "../demo/world.ts";
import { MemorySecrets } from "../unit/vscode/memory.ts";
import { TestWindow } from "./window.ts";

/** Milliseconds of one measurement. */
const period = 3_000;
const rounds = 3;

/** The longest time, in milliseconds, for which the extension host did nothing else. */
async function longestBlock(work: () => Promise<unknown>): Promise<number> {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  await Promise.all([work(), delay(period)]);
  histogram.disable();
  return histogram.max / 1e6;
}

describe("the extension host's main thread", function () {
  this.timeout(120_000);
  let world: World;
  let folder: string;
  before(async () => {
    world = await startWorld();
    folder = await mkdtemp(join(tmpdir(), "onecli-main-"));
    await writeFile(join(folder, "ca.pem"), world.authority);
  });
  after(async () => {
    await world.stop();
    await rm(folder, { recursive: true });
  });

  // The service that stands for 1Password runs in this very thread and blocks it too: figures are upper bounds.
  it("is left alone while a window connects; longest block in ms, idle → connecting:", async function () {
    for (let round = 1; round <= rounds; round++) {
      const idle = await longestBlock(() => Promise.resolve());
      const window = await TestWindow.open(new MemorySecrets(), {
        parentProxy: world.parent.url,
        extraCaCertificates: [join(folder, "ca.pem")],
      });
      try {
        const connecting = await longestBlock(() => window.session.connect(world.service.token, () => false));
        assert.equal(window.session.account.kind, "present");
        // The reporter prints the title when the test has ended.
        this.test!.title += ` ${idle.toFixed(1)} → ${connecting.toFixed(1)}`;
      } finally {
        await window.remove();
      }
    }
  });
});
