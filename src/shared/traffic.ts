/** What happened in one minute. */
export interface Minute {
  /** Unix time in minutes. */
  readonly minute: number;
  readonly requests: number;
  /** Requests that the gateway refused, or that got a status of 400 or above. */
  readonly errors: number;
  /** Requests to 1Password. */
  readonly reads: number;
}

export type Count = "requests" | "errors" | "reads";

const minuteLength = 60_000;

/** Minutes that a chart shows. */
export const chartMinutes = 60;

/** Minutes for which requests to 1Password are limited: a day. */
const dayMinutes = 24 * 60;

type Counts = { -readonly [K in keyof Minute]: Minute[K] };

/** Counts per minute for a day. Its size does not depend on the traffic. */
export class Traffic {
  /** By minute modulo a day; what is there of an earlier day counts as nothing. */
  readonly #ring: (Counts | undefined)[] = new Array<Counts | undefined>(dayMinutes).fill(undefined);

  /** @param at Unix time in milliseconds. */
  add(at: number, what: Count, amount = 1): void {
    const minute = Math.floor(at / minuteLength);
    const index = minute % dayMinutes;
    let counts = this.#ring[index];
    if (counts?.minute !== minute) {
      if (counts !== undefined && counts.minute > minute) {
        return; // More than a day old.
      }
      counts = { minute, requests: 0, errors: 0, reads: 0 };
      this.#ring[index] = counts;
    }
    counts[what] += amount;
  }

  /** One by one, oldest first, up to the one of `now`; a quiet minute is all zeros. */
  minutes(now: number, count = chartMinutes): Minute[] {
    const last = Math.floor(now / minuteLength);
    return Array.from({ length: count }, (_, index) => {
      const minute = last - count + 1 + index;
      const counts = this.#ring[minute % dayMinutes];
      return counts?.minute === minute ? { ...counts } : { minute, requests: 0, errors: 0, reads: 0 };
    });
  }

  /** Sum of the minutes up to the one of `now`. */
  total(now: number, what: Count, count = dayMinutes): number {
    const last = Math.floor(now / minuteLength);
    let sum = 0;
    for (const counts of this.#ring) {
      if (counts !== undefined && counts.minute > last - count && counts.minute <= last) {
        sum += counts[what];
      }
    }
    return sum;
  }
}
