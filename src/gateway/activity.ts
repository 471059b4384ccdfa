import { type ActivityRecord } from "../shared/gatewayProtocol.ts";

export type ActivityListener = (record: ActivityRecord) => void;

const defaultCapacity = 1000;

/** The last records, oldest first, and whoever wants to know of the next one. */
export class Activity {
  readonly #capacity: number;
  readonly #ring: ActivityRecord[] = [];
  readonly #listeners = new Set<ActivityListener>();
  #nextId = 1;

  constructor(capacity = defaultCapacity) {
    this.#capacity = capacity;
  }

  /** @param record is kept as it is, with an id of its own */
  add(record: Omit<ActivityRecord, "id">): void {
    const id = this.#nextId++;
    const complete: ActivityRecord = Object.assign(record, { id });
    this.#ring[(id - 1) % this.#capacity] = complete;
    for (const listener of this.#listeners) {
      listener(complete);
    }
  }

  recent(): ActivityRecord[] {
    const next = (this.#nextId - 1) % this.#capacity;
    return this.#ring.length < this.#capacity
      ? [...this.#ring]
      : [...this.#ring.slice(next), ...this.#ring.slice(0, next)];
  }

  /** Calls `listener` with every record to come; the returned function ends that. */
  subscribe(listener: ActivityListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
