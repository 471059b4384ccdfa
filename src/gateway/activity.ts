import { type ErrorCode } from "../core/errors.ts";

/** What happened, without values, bodies, queries and references. Times in milliseconds. */
export interface ActivityRecord {
  readonly id: number;
  /** Unix time at which the request arrived. */
  readonly at: number;
  /** `request`: seen by the gateway; `tunnel`: bytes of a host that is not mapped. */
  readonly kind: "request" | "tunnel";
  /** Who asked: the user name of the proxy credential. */
  readonly agent: string;
  readonly method: string;
  /** `host`, or `host:port` where the port is not 443. */
  readonly host: string;
  /** Path without its query; empty for a tunnel. */
  readonly path: string;
  /** HTTP status that the client got; 0 where it left before there was one. */
  readonly status: number;
  /** The gateway's own code, where it refused or failed. */
  readonly error?: ErrorCode;
  /** Hostname of the mapping whose secret was used. */
  readonly mapping?: string;
  readonly cacheHit?: boolean;
  /** Time to the answer's head, and to its end. */
  readonly headMs: number;
  readonly totalMs: number;
  /** Bytes of body sent by the client, and to it. */
  readonly bytesUp: number;
  readonly bytesDown: number;
}

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

  add(record: Omit<ActivityRecord, "id">): void {
    const id = this.#nextId++;
    const complete: ActivityRecord = { id, ...record };
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
