// The team's gateway as this window shows it: its mappings, its account and how they fare, read over its API every few
// seconds.
import * as vscode from "vscode";
import { describeError } from "../core/errors.ts";
import type { Logger } from "../core/ports.ts";
import type { ActivityRecord, ConnectResult, ExplainResult } from "../shared/gatewayProtocol.ts";
import { type Entry, MappingError, readEntry, type StoredMapping, toInput } from "./mappingStore.ts";
import { inWords } from "./l10n.ts";
import { ofCore, t } from "./phrase.ts";
import type { Account, EntryState } from "./states.ts";
import type { TeamMapping } from "./teamAnswers.ts";
import { fingerprint, TeamApi, TeamGatewayError } from "./teamApi.ts";
import type { TeamConnection } from "./teamStore.ts";

/** Milliseconds between two looks, while somebody sees the mappings and otherwise. */
const shownInterval = 3_000;
const hiddenInterval = 60_000;

interface TeamGatewayOptions {
  readonly connection: TeamConnection;
  /** PEM, trusted beside the machine's. */
  readonly extraCaCertificates: readonly string[];
  readonly logger: Logger;
  /** Something is other than it was. */
  readonly onChange: () => void;
  /** Requests of every agent that were not known yet; `arePast` at the first look. */
  readonly onActivity: (records: readonly ActivityRecord[], arePast: boolean) => void;
  /** What keeps terminals from reaching the gateway; undefined where nothing does, or nobody can say. */
  readonly relayFault: () => Promise<string | undefined>;
}

export class TeamGateway {
  readonly connection: TeamConnection;
  readonly #options: TeamGatewayOptions;
  readonly #api: TeamApi;
  readonly #states = new Map<string, TeamMapping["state"]>();
  /** As they were told last. */
  readonly #told = new Map<string, EntryState>();
  #shown = "";
  readonly #lastUse = new Map<string, number>();
  #entries: readonly Entry[] = [];
  #account: Account = { kind: "none" };
  #fault: TeamGatewayError | undefined;
  #relayFault: string | undefined;
  #isRelayKnown = false;
  /** Id of the last record of activity; undefined before the first look, which is at the past. */
  #lastRecord: number | undefined;
  #refreshing: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #interval = hiddenInterval;
  #isDisposed = false;

  /** @throws TeamGatewayError where the connection's URL is none. */
  constructor(options: TeamGatewayOptions) {
    this.#options = options;
    this.connection = options.connection;
    this.#api = new TeamApi(this.connection.url, this.connection.token, options.extraCaCertificates);
  }

  get host(): string {
    return this.#api.host;
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  get account(): Account {
    return this.#account;
  }

  /** What is wrong, with the fix. */
  get problem(): string | undefined {
    return this.#fault === undefined ? this.#relayFault : inWords(this.#fault.phrase);
  }

  /** Nothing is sent to a gateway whose CA is not the one that was confirmed. @throws TeamGatewayError */
  assertConfirmed(): void {
    if (this.#fault?.fault === "ca-changed") {
      throw this.#fault;
    }
  }

  get isConfirmed(): boolean {
    return this.#fault?.fault !== "ca-changed";
  }

  /** URL of the proxy with the agent's login. */
  get proxy(): string {
    const { proxy, agent, password } = this.connection;
    return proxy.replace("://", `://${encodeURIComponent(agent)}:${encodeURIComponent(password)}@`);
  }

  /** The same object where nothing has changed. */
  stateOf(entry: Entry): EntryState {
    const state = this.#stateOf(entry);
    const told = this.#told.get(entry.id);
    if (told !== undefined && JSON.stringify(told) === JSON.stringify(state)) {
      return told;
    }
    this.#told.set(entry.id, state);
    return state;
  }

  #stateOf({ id, enabled }: Entry): EntryState {
    const state = this.#states.get(id) ?? "unused";
    const at = this.#lastUse.get(id);
    const lastUse = at === undefined ? {} : { lastUse: at };
    if (!enabled) {
      return { kind: "disabled" };
    }
    switch (state) {
      case "disabled":
      case "not-connected":
      case "unused":
        return { kind: "unused" };
      case "ok":
        return { kind: "ready", ...lastUse };
      default:
        return { kind: "error", code: state, reason: describeError(state).hint, ...lastUse };
    }
  }

  /** Looks every few seconds while the mappings are shown, and now and then otherwise. */
  watch(isShown: boolean): void {
    this.#interval = isShown ? shownInterval : hiddenInterval;
    if (isShown) {
      void this.refresh();
    } else {
      this.#schedule();
    }
  }

  /** The next look asks whether terminals reach the gateway, too. */
  recheckRelay(): Promise<void> {
    this.#isRelayKnown = false;
    return this.refresh();
  }

  /** What it finds wrong is the {@link problem}. Fulfilled after a look that began after the call. */
  refresh(): Promise<void> {
    return (this.#refreshing = this.#refreshing.then(() => this.#refresh()));
  }

  /**
   * Adds a mapping, or puts it in the place of the one for `replacing` (its id).
   * @throws MappingError, TeamGatewayError
   */
  async put(input: StoredMapping, replacing?: string): Promise<Entry> {
    const entry = readEntry(input);
    if (typeof entry === "string") {
      throw new MappingError(ofCore(entry));
    }
    await this.refresh();
    this.assertConfirmed();
    const { id } = entry;
    if (id !== replacing && this.#find(id) !== undefined) {
      throw new MappingError(t("{0} is mapped already.", id));
    }
    const former = replacing === undefined || replacing === id ? undefined : this.#find(replacing);
    try {
      await this.#api.put(toInput(entry));
      if (former !== undefined) {
        await this.#api.remove(former);
      }
    } finally {
      await this.refresh();
    }
    return this.#find(id) ?? entry;
  }

  async remove(id: string): Promise<void> {
    this.assertConfirmed();
    const entry = this.#find(id);
    if (entry !== undefined) {
      await this.#andRefresh(this.#api.remove(entry));
    }
  }

  /** Has the secret of a mapping read afresh. @throws TeamGatewayError */
  async test(entry: Entry): Promise<void> {
    this.assertConfirmed();
    await this.#andRefresh(this.#api.test(entry));
  }

  explain(host: string, path: string): Promise<ExplainResult> {
    return this.#api.explain(host, path);
  }

  async connect(token: string): Promise<ConnectResult> {
    this.assertConfirmed();
    return this.#andRefresh(this.#api.connect(token));
  }

  async disconnect(): Promise<void> {
    this.assertConfirmed();
    await this.#andRefresh(this.#api.disconnect());
  }

  dispose(): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
    this.#api.dispose();
  }

  async #andRefresh<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } finally {
      await this.refresh();
    }
  }

  #find(id: string): Entry | undefined {
    return this.#entries.find((entry) => entry.id === id);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (!this.#isDisposed) {
      this.#timer = setTimeout(() => void this.refresh(), this.#interval);
      this.#timer.unref();
    }
  }

  async #refresh(): Promise<void> {
    if (this.#isDisposed) {
      return;
    }
    try {
      await this.#read();
      this.#fault = undefined;
    } catch (error) {
      this.#fault =
        error instanceof TeamGatewayError
          ? error
          : new TeamGatewayError("unreachable", t("The team gateway {0} could not be asked.", this.host));
    }
    if (this.isConfirmed && (!this.#isRelayKnown || this.#relayFault !== undefined)) {
      this.#relayFault = await this.#options.relayFault();
      this.#isRelayKnown = true;
    }
    this.#settled();
  }

  #settled(): void {
    if (this.#isDisposed) {
      return;
    }
    this.#schedule();
    const states = this.#entries.map((entry) => this.stateOf(entry));
    const shown = JSON.stringify([this.#entries, states, this.#account, this.problem]);
    if (shown !== this.#shown) {
      this.#shown = shown;
      this.#options.onChange();
    }
  }

  async #read(): Promise<void> {
    const { certificate } = this.connection;
    if (fingerprint(await this.#api.caCertificate()) !== fingerprint(certificate)) {
      throw new TeamGatewayError(
        "ca-changed",
        t(
          "The CA of the team gateway {0} is not the one that you have confirmed, so nothing is sent to it. Ask its operator whether that is meant; then OneCLI: Use Team Gateway…, Change…, shows the fingerprint to confirm.",
          this.host,
        ),
      );
    }
    const [status, mappings, activity] = await Promise.all([
      this.#api.status(),
      this.#api.mappings(),
      this.#api.activity(this.#lastRecord ?? 0),
    ]);
    const { connected, account } = status.onePassword;
    const now: Account = connected
      ? { kind: "present", ...(account !== undefined && { name: account }) }
      : { kind: "none" };
    // The same object where nothing has changed.
    this.#account = JSON.stringify(now) === JSON.stringify(this.#account) ? this.#account : now;
    this.#use(mappings);
    for (const { mapping, at } of activity.records) {
      if (mapping !== undefined) {
        this.#lastUse.set(mapping, at);
      }
    }
    const arePast = this.#lastRecord === undefined;
    this.#lastRecord = activity.last;
    if (activity.records.length > 0) {
      this.#options.onActivity(activity.records, arePast);
    }
  }

  #use(mappings: readonly TeamMapping[]): void {
    this.#states.clear();
    const entries = mappings.flatMap(({ id, credential: _, state, ...input }) => {
      const entry = readEntry(input);
      if (typeof entry === "string") {
        this.#options.logger.warn(`A mapping of the team gateway is not shown: ${entry}.`);
        return [];
      }
      this.#states.set(entry.id, state);
      // The same object where nothing has changed: rows of the tree keep their place and selection.
      const former = this.#find(entry.id);
      return former !== undefined && JSON.stringify(former) === JSON.stringify(entry) ? former : entry;
    });
    const isSame =
      entries.length === this.#entries.length &&
      entries.every((entry, index) => entry === this.#entries[index]);
    this.#entries = isSame ? this.#entries : entries;
  }
}

/** Where the setting names a gateway whose CA nobody has confirmed on this machine. */
export function unconfirmed(url: string): TeamGatewayError {
  return new TeamGatewayError(
    "unconfirmed",
    t(
      "onecli.gateway.url names the team gateway {0}, and nobody has confirmed it on this machine. Run OneCLI: Use Team Gateway…, or empty the setting to use this window's own gateway.",
      hostOf(url),
    ),
  );
}

export function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : vscode.l10n.t("that cannot be read");
}
