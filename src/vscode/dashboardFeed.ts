// What the dashboard's page is told: everything once, then what has changed. While nobody listens, nothing is computed.
import * as vscode from "vscode";
import { protocolVersion } from "../shared/webviewConstants.ts";
import type { Patch, Snapshot, ToPage } from "../shared/webviewProtocol.ts";
import { ActivityLog } from "./activityLog.ts";
import {
  activityRow,
  type AnyEntry,
  connectionOf,
  entriesOf,
  entryRow,
  entryState,
  keyOf,
  serviceRows,
} from "./dashboardRows.ts";
import { Disposables } from "./disposables.ts";
import type { Doctor } from "./doctor.ts";
import type { Session } from "./session.ts";
import type { EntryState } from "./states.ts";

/** Changes are sent at most so often, in milliseconds. */
const batchInterval = 100;

export interface FeedParts {
  readonly session: Session;
  readonly doctor: Pick<Doctor, "state" | "onDidChange">;
}

/** What was told last, to tell what has changed since. */
interface Told {
  readonly send: (message: ToPage) => void;
  entries: Session["entries"];
  storedSecrets: Session["storedSecrets"];
  readonly states: Map<AnyEntry, EntryState>;
  seq: number;
  minute: number;
  counted: string;
  connection: string;
  doctor: unknown;
}

export class DashboardFeed implements vscode.Disposable {
  /** What happened in this window, looked at or not. */
  readonly log = new ActivityLog<AnyEntry>();
  readonly #parts: FeedParts;
  readonly #disposables = new Disposables();
  /** Absent while nobody listens. */
  #told: Told | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: FeedParts) {
    const { session, doctor } = parts;
    this.#parts = parts;
    this.#disposables.add(
      session.onNews(({ records, accountRequests }) => {
        this.log.add(records, ({ source, mapping = "" }) =>
          source === "stored" ? session.findStoredSecret(mapping) : source && session.findMapping(mapping),
        );
        this.log.traffic.add(Date.now(), "reads", accountRequests);
        this.#schedule();
      }),
    );
    this.#disposables.add(session.onDidChange(() => this.#schedule()));
    this.#disposables.add(doctor.onDidChange(() => this.#schedule()));
  }

  /** Tells everything, and from then on what changes, until `stop`. */
  start(send: (message: ToPage) => void): void {
    const { session, doctor } = this.#parts;
    const { traffic } = this.log;
    const connection = connectionOf(session, traffic);
    const { entries, storedSecrets } = session;
    const states = new Map(entriesOf(session).map((entry) => [entry, session.stateOf(entry)] as const));
    const minutes = traffic.minutes(Date.now());
    const snapshot: Snapshot = {
      type: "snapshot",
      version: protocolVersion,
      language: vscode.env.language,
      texts: vscode.l10n.bundle ?? {},
      services: serviceRows(),
      state: {
        connection,
        entries: [...states].map(([entry, state]) => entryRow(entry, state, storedSecrets)),
        activity: this.log.since(0).map(activityRow),
        traffic: minutes,
        doctor: doctor.state,
      },
    };
    this.#told = {
      send,
      entries,
      storedSecrets,
      states,
      seq: this.log.next,
      minute: minutes.at(-1)?.minute ?? 0,
      counted: JSON.stringify(minutes.at(-1)),
      connection: JSON.stringify(connection),
      doctor: doctor.state,
    };
    send(snapshot);
    session.showMappings(this, true);
  }

  stop(): void {
    this.#told = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#parts.session.showMappings(this, false);
  }

  /** Forgets the records, here and there. */
  clear(): void {
    this.log.clear();
    this.flush();
    this.#told?.send({ type: "patch", cleared: true });
  }

  dispose(): void {
    this.stop();
    this.#disposables.dispose();
  }

  #schedule(): void {
    if (this.#told !== undefined && this.#timer === undefined) {
      this.#timer = setTimeout(() => this.flush(), batchInterval);
    }
  }

  /** Tells at once what has changed. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#told !== undefined) {
      const patch = this.#changes(this.#told);
      if (Object.keys(patch).length > 0) {
        this.#told.send({ type: "patch", ...patch });
      }
    }
  }

  #changes(told: Told): Omit<Patch, "type"> {
    const { session, doctor } = this.#parts;
    const { traffic } = this.log;
    const patch: Omit<Patch, "type"> = {};
    const connection = connectionOf(session, traffic);
    const asText = JSON.stringify(connection);
    if (asText !== told.connection) {
      told.connection = asText;
      patch.connection = connection;
    }
    const { entries, storedSecrets } = session;
    if (entries !== told.entries || storedSecrets !== told.storedSecrets) {
      told.entries = entries;
      told.storedSecrets = storedSecrets;
      told.states.clear();
      patch.entries = entriesOf(session).map((entry) => {
        const state = session.stateOf(entry);
        told.states.set(entry, state);
        return entryRow(entry, state, storedSecrets);
      });
    } else {
      const states: NonNullable<Patch["states"]> = [];
      for (const entry of entriesOf(session)) {
        const state = session.stateOf(entry);
        const former = told.states.get(entry);
        if (
          state !== former &&
          (state.kind !== former?.kind || state.kind === "ready" || state.kind === "error")
        ) {
          told.states.set(entry, state);
          states.push({ ...keyOf(entry), state: entryState(state) });
        }
      }
      if (states.length > 0) {
        patch.states = states;
      }
    }
    const records = this.log.since(told.seq);
    told.seq = this.log.next;
    if (records.length > 0) {
      patch.activity = records.map(activityRow);
    }
    const minutes = traffic.minutes(Date.now());
    const counted = JSON.stringify(minutes.at(-1));
    if (counted !== told.counted) {
      patch.traffic = minutes.filter(({ minute }) => minute >= told.minute - 1);
      told.minute = minutes.at(-1)?.minute ?? 0;
      told.counted = counted;
    }
    if (doctor.state !== told.doctor) {
      told.doctor = doctor.state;
      patch.doctor = doctor.state;
    }
    return patch;
  }
}
