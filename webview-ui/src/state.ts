// What the host has said so far, put together.
import { chartMinutes, type Minute } from "../../src/shared/traffic.ts";
import { activityCapacity } from "../../src/shared/webviewConstants.ts";
import type { DashboardState, EntryKey, Patch } from "../../src/shared/webviewProtocol.ts";

export function applyPatch(state: DashboardState, patch: Patch): DashboardState {
  const next = { ...state };
  if (patch.connection !== undefined) {
    next.connection = patch.connection;
  }
  if (patch.entries !== undefined) {
    next.entries = patch.entries;
  }
  if (patch.states !== undefined) {
    const states = new Map(patch.states.map((one) => [keyText(one), one.state]));
    next.entries = next.entries.map((entry) => {
      const changed = states.get(keyText(entry));
      return changed === undefined ? entry : { ...entry, state: changed };
    });
  }
  if (patch.cleared === true) {
    next.activity = [];
  }
  if (patch.activity !== undefined) {
    next.activity = [...next.activity, ...patch.activity].slice(-activityCapacity);
  }
  if (patch.traffic !== undefined) {
    const minutes = new Map([...next.traffic, ...patch.traffic].map((one) => [one.minute, one]));
    next.traffic = [...minutes.values()].slice(-chartMinutes);
  }
  if (patch.doctor !== undefined) {
    next.doctor = patch.doctor;
  }
  return next;
}

/** The last hour with its quiet minutes, oldest first. @param now Unix milliseconds */
export function lastHour(known: readonly Minute[], now: number): Minute[] {
  const byMinute = new Map(known.map((one) => [one.minute, one]));
  const last = Math.floor(now / 60_000);
  return Array.from({ length: chartMinutes }, (_, index) => {
    const minute = last - chartMinutes + 1 + index;
    return byMinute.get(minute) ?? { minute, requests: 0, errors: 0, reads: 0 };
  });
}

export function keyText({ source, id }: EntryKey): string {
  return `${source} ${id}`;
}

export function keyOf({ source, id }: EntryKey): EntryKey {
  return { source, id };
}
