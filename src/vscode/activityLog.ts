import type { ActivityRecord } from "../shared/gatewayProtocol.ts";
import { Traffic } from "../shared/traffic.ts";
import { activityCapacity } from "../shared/webviewConstants.ts";

/** A record, and what it was about at that time. */
export interface KeptRecord<T> {
  /** Grows by one with each record; those of the gateway start anew with it. */
  readonly seq: number;
  readonly record: ActivityRecord;
  readonly entry: T | undefined;
}

/** What the gateway did in this window: the last records, and counts per minute. Its size does not depend on the traffic. */
export class ActivityLog<T> {
  readonly traffic = new Traffic();
  readonly #ring: KeptRecord<T>[] = [];
  #next = 0;
  #first = 0;

  /** Sequence number that the next record gets. */
  get next(): number {
    return this.#next;
  }

  add(records: readonly ActivityRecord[], entryOf: (record: ActivityRecord) => T | undefined): void {
    for (const record of records) {
      const seq = this.#next++;
      this.#ring[seq % activityCapacity] = { seq, record, entry: entryOf(record) };
      this.traffic.add(record.at, "requests");
      if (record.error !== undefined || record.status >= 400) {
        this.traffic.add(record.at, "errors");
      }
    }
  }

  /** The records that are kept from `seq` on, oldest first. */
  since(seq: number): KeptRecord<T>[] {
    const first = Math.max(seq, this.#first, this.#next - activityCapacity);
    const found: KeptRecord<T>[] = [];
    for (let index = first; index < this.#next; index++) {
      const kept = this.#ring[index % activityCapacity];
      if (kept !== undefined) {
        found.push(kept);
      }
    }
    return found;
  }

  /** Forgets the records; the counts stay. */
  clear(): void {
    this.#ring.length = 0;
    this.#first = this.#next;
  }
}
