// How the mappings and stored secrets of this window's own gateway fare.
import { describeError, isMappingError } from "../core/errors.ts";
import type { ActivityRecord } from "../shared/gatewayProtocol.ts";
import type { Entry } from "./mappingStore.ts";
import type { EntryState } from "./states.ts";
import { isStoredEntry, type StoredEntry } from "./storedSecretStore.ts";

export class EntryStates {
  readonly #states = new Map<string, EntryState>();

  of(entry: Entry | StoredEntry): EntryState {
    return entry.enabled ? (this.#states.get(keyOf(entry)) ?? { kind: "unused" }) : { kind: "disabled" };
  }

  set(entry: Entry, state: EntryState): void {
    this.#states.set(keyOf(entry), state);
  }

  /** It is another one from now on, or gone. */
  forget(entry: Entry | StoredEntry): void {
    this.#states.delete(keyOf(entry));
  }

  forgetMapping(id: string): void {
    this.#states.delete(mappingKey(id));
  }

  /** What has failed may work from now on. */
  forgetErrors(): void {
    for (const [key, state] of this.#states) {
      if (state.kind === "error") {
        this.#states.delete(key);
      }
    }
  }

  /** Takes up what a request has shown of the secret that it got, or should have got. */
  take({ mapping, source, error, at }: ActivityRecord): void {
    if (mapping !== undefined && source !== undefined) {
      this.#states.set(
        `${source} ${mapping}`,
        error !== undefined && isMappingError(error)
          ? { kind: "error", code: error, reason: describeError(error).hint, lastUse: at }
          : { kind: "ready", lastUse: at },
      );
    }
  }
}

/** As activity names them: a mapping and a stored secret may have the same id. */
function keyOf(entry: Entry | StoredEntry): string {
  return isStoredEntry(entry) ? `stored ${entry.id}` : mappingKey(entry.id);
}

function mappingKey(id: string): string {
  return `1password ${id}`;
}
