import { performance } from "node:perf_hooks";
import { type Figures } from "../protocol.ts";

/** CPU time of this thread, in milliseconds. */
export function threadCpu(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Measures the thread that it runs in, from its making to `read`. */
export class Meter {
  readonly #start = performance.now();
  readonly #cpu = threadCpu();
  readonly #loop = performance.eventLoopUtilization();
  readonly #timer: NodeJS.Timeout | undefined;
  #longestBlock = 0;
  #longestWork = 0;

  /** @param blocks whether the longest block is looked for, by a timer that costs a few per cent of the thread itself */
  constructor(blocks: boolean) {
    if (!blocks) {
      return;
    }
    let time = performance.now();
    let cpu = threadCpu();
    this.#timer = setInterval(() => {
      const now = performance.now();
      const used = threadCpu();
      this.#longestBlock = Math.max(this.#longestBlock, now - time);
      this.#longestWork = Math.max(this.#longestWork, used - cpu);
      time = now;
      cpu = used;
    }, 1);
  }

  read(): Figures {
    clearInterval(this.#timer);
    return {
      period: performance.now() - this.#start,
      cpu: threadCpu() - this.#cpu,
      busy: performance.eventLoopUtilization(this.#loop).active,
      longestBlock: this.#longestBlock,
      longestWork: this.#longestWork,
    };
  }
}
