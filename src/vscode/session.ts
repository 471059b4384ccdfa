// What this window knows and does: its gateway, its account, its mappings and stored secrets. The views show it, the commands act on it.
import * as vscode from "vscode";
import { type ErrorCode, isOneCliError, OneCliError } from "../core/errors.ts";
import { formatSecretReference } from "../core/secretReference.ts";
import { type StoredSecretInput } from "../core/storedSecret.ts";
import { type TerminalEnvironment, terminalEnvironment } from "../core/terminalEnvironment.ts";
import type {
  ActivityRecord,
  ConnectResult,
  ExplainResult,
  ManagementWrite,
  StartOptions,
  StartResult,
} from "../shared/gatewayProtocol.ts";
import { EntryStates } from "./entryStates.ts";
import { explainInEnglish } from "./errorText.ts";
import { GatewayThread, type ThreadState } from "./gatewayThread.ts";
import type { IdentityStore } from "./identityStore.ts";
import { type Entry, type MappingStore, type StoredMapping, toInput } from "./mappingStore.ts";
import { coreText, inWords } from "./l10n.ts";
import { type AccountProblem, OwnAccount } from "./ownAccount.ts";
import { type Phrase, PhraseError, t } from "./phrase.ts";
import { parentOptions, readExtraCertificates, type Settings } from "./settings.ts";
import type { Account, EntryState } from "./states.ts";
import { isStoredEntry, type StoredEntry, type StoredSecretStore } from "./storedSecretStore.ts";
import { TeamGatewayError } from "./teamApi.ts";
import { hostOf, TeamGateway, unconfirmed } from "./teamGateway.ts";
import type { TeamConnection, TeamStore } from "./teamStore.ts";
import type { TokenStore } from "./tokenStore.ts";

/** The team's gateway, where this window uses one. */
export interface Team {
  readonly host: string;
  /** What is wrong, with the fix. */
  readonly problem: string | undefined;
}

/** What the gateway has done, since it last said so. */
export interface GatewayNews {
  readonly records: readonly ActivityRecord[];
  /** Requests to 1Password that count against its limits. */
  readonly accountRequests: number;
}

interface SessionOptions {
  readonly gatewayFile: string;
  readonly dataDir: string;
  readonly tokens: TokenStore;
  readonly identity: IdentityStore;
  readonly mappings: MappingStore;
  readonly storedSecrets: StoredSecretStore;
  readonly teams: TeamStore;
  readonly logger: vscode.LogOutputChannel;
  readonly settings: () => Settings;
  readonly onRequestFailed: (code: ErrorCode, host: string) => void;
  /** The placeholder of a service (its id) was sent to a host that is not its own. */
  readonly onPlaceholderLeak: (service: string, host: string) => void;
  /** The gateway ended unexpectedly and is being started again. */
  readonly onRestart: () => void;
  /** The gateway listens on another port than before: terminals from before have the old one. */
  readonly onPortChanged: () => void;
  /** A program asks for a change over the API. @throws OneCliError where it is not made */
  readonly onWriteAsked: (write: ManagementWrite) => Promise<unknown>;
  /** The API is wanted, and cannot be had. */
  readonly onApiFault: (fault: string) => void;
}

/** The same each time: views compare what they have shown with what is there. */
const none: readonly never[] = [];
const noAccount: Account = { kind: "none" };

export class Session implements vscode.Disposable {
  readonly #options: SessionOptions;
  readonly #thread: GatewayThread;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #own: OwnAccount;
  readonly #states = new EntryStates();
  readonly #news = new vscode.EventEmitter<GatewayNews>();
  readonly onDidChange = this.#changed.event;
  readonly onNews = this.#news.event;
  /** In its place, a sentence: the setting names one that cannot be used. */
  #team: TeamGateway | TeamGatewayError | undefined;
  /** Who shows the mappings. */
  readonly #viewers = new Set<object>();
  /** `false` while it is not settled which gateway is used. */
  #isOpen = false;
  /** The stored secrets that the gateway was given last. */
  #pushed: Promise<void> = Promise.resolve();
  #restarted: Promise<void> = Promise.resolve();

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#thread = new GatewayThread({
      file: options.gatewayFile,
      logger: options.logger,
      startOptions: () => this.#startOptions(),
      onStarted: (start) => this.#onStarted(start),
      onState: (state) => this.#onThreadState(state),
      onActivity: (records, accountRequests) => this.#onActivity(records, accountRequests),
      onAsk: options.onWriteAsked,
    });
    this.#own = new OwnAccount({
      tokens: options.tokens,
      thread: this.#thread,
      dataDir: options.dataDir,
      isInUse: () => this.#team === undefined && this.#thread.state.kind === "running",
      onChange: () => this.#changed.fire(),
      onToken: () => this.#forgetErrors(),
    });
  }

  get account(): Account {
    return this.#team === undefined ? this.#own.state : (this.#usableTeam?.account ?? noAccount);
  }

  /** Undefined: the gateway is this window's own. */
  get team(): Team | undefined {
    const team = this.#team;
    if (team === undefined) {
      return undefined;
    }
    return team instanceof TeamGateway
      ? team
      : { host: hostOf(this.#options.settings().gatewayUrl), problem: inWords(team.phrase) };
  }

  /** The last failure of 1Password or of a mapping, until a secret is read again; of the window's own gateway. */
  get problem(): AccountProblem | undefined {
    return this.#team === undefined ? this.#own.problem : undefined;
  }

  get gateway(): ThreadState {
    return this.#thread.state;
  }

  /** Where the API listens; undefined where it does not. */
  get apiPort(): number | undefined {
    const { state } = this.#thread;
    const api = state.kind === "running" ? state.start.api : undefined;
    return api !== undefined && "port" in api ? api.port : undefined;
  }

  /** Where a program finds the API, and its token; undefined where there is none. @throws OneCliError */
  async apiAccess(): Promise<{ url: string; token: string } | undefined> {
    const { identity, settings } = this.#options;
    if (!settings().apiEnabled) {
      return undefined;
    }
    this.assertOwn(t("The API of this window"));
    await this.#thread.start();
    const { apiPort } = this;
    return apiPort === undefined
      ? undefined
      : { url: `http://127.0.0.1:${apiPort}`, token: await identity.apiToken() };
  }

  /** Those of the gateway in use: while it is the team's, the workspace's own are left alone. */
  get entries(): readonly Entry[] {
    return this.#team === undefined ? this.#options.mappings.entries : (this.#usableTeam?.entries ?? none);
  }

  findMapping(id: string): Entry | undefined {
    return this.#team === undefined
      ? this.#options.mappings.find(id)
      : this.entries.find((entry) => entry.id === id);
  }

  findStoredSecret(id: string): StoredEntry | undefined {
    return this.#team === undefined ? this.#options.storedSecrets.find(id) : undefined;
  }

  get storedSecrets(): readonly StoredEntry[] {
    return this.#team === undefined ? this.#options.storedSecrets.entries : none;
  }

  stateOf(entry: Entry | StoredEntry): EntryState {
    if (this.#usableTeam !== undefined && !isStoredEntry(entry)) {
      return this.#usableTeam.stateOf(entry);
    }
    return this.#states.of(entry);
  }

  /** Looks what is stored and starts the gateway if something is mapped. */
  async open(): Promise<void> {
    await this.#options.storedSecrets.load();
    await this.#own.read();
    await this.#openTeam();
    this.#isOpen = true;
    if (this.#wantsGateway()) {
      await this.#thread.start();
    }
  }

  /** The stored token has changed; if another window did that, this one follows. */
  accountChanged(): Promise<void> {
    return this.#own.follow();
  }

  /** Checks the stored token against 1Password again. @throws OneCliError `not-connected` where there is none. */
  async reconnect(cancelled: () => boolean): Promise<ConnectResult | undefined> {
    const token = await this.#options.tokens.read();
    if (token === undefined) {
      throw new OneCliError("not-connected", "No 1Password Service Account is connected.");
    }
    return this.connect(token, cancelled);
  }

  /**
   * Checks a token against 1Password and, unless `cancelled` by then, seals and stores it. Where any of that fails,
   * everything is as it was before.
   * @throws OneCliError; Error where it cannot be stored.
   */
  connect(token: string, cancelled: () => boolean): Promise<ConnectResult | undefined> {
    if (this.#team !== undefined) {
      return this.#requireTeam().then((team) => team.connect(token.trim()));
    }
    return this.#own.connect(token, cancelled);
  }

  /** Removes the token everywhere, and with it every cached value; at once, whatever is being connected. */
  async disconnect(): Promise<void> {
    if (this.#team !== undefined) {
      await (await this.#requireTeam()).disconnect();
      return;
    }
    await this.#own.disconnect();
  }

  /** @param replacing id of the mapping in whose place it is put. */
  async saveMapping(mapping: StoredMapping, replacing?: string): Promise<Entry> {
    if (this.#team !== undefined) {
      return (await this.#requireTeam()).put(mapping, replacing);
    }
    const entry = await this.#options.mappings.put(mapping, replacing);
    this.#states.forget(entry);
    if (replacing !== undefined) {
      this.#states.forgetMapping(replacing);
    }
    await this.#mappingsChanged();
    return entry;
  }

  /** @returns what puts it back where it was; at the end of a team's, whose order is not ours. */
  async removeMapping(id: string): Promise<() => Promise<void>> {
    const team = this.#team;
    const { mappings } = this.#options;
    const index = this.entries.findIndex((entry) => entry.id === id);
    const entry = this.entries[index];
    if (team !== undefined) {
      await (await this.#requireTeam()).remove(id);
    } else {
      await mappings.remove(id);
      this.#states.forgetMapping(id);
      await this.#mappingsChanged();
    }
    return async () => {
      if (entry === undefined || this.#team !== team) {
        throw new PhraseError(t("That cannot be undone any more."));
      }
      if (team !== undefined) {
        await this.saveMapping(entry.stored);
      } else {
        await mappings.insert(entry.stored, index);
        await this.#mappingsChanged();
      }
    };
  }

  async addStoredSecret(input: StoredSecretInput, value: string): Promise<StoredEntry> {
    this.assertOwn(t("Stored secrets"));
    const entry = await this.#options.storedSecrets.add(input, value);
    await this.#pushStoredSecrets();
    return entry;
  }

  /** @param value another one; without it, the stored secret keeps the one it has. */
  async changeStoredSecret(former: StoredEntry, input: StoredSecretInput, value?: string): Promise<void> {
    this.assertOwn(t("Stored secrets"));
    const entry = await this.#options.storedSecrets.replace(former.id, input, value);
    this.#states.forget(former);
    this.#states.forget(entry);
    await this.#pushStoredSecrets();
  }

  /** Adds another with the same value. */
  async copyStoredSecret({ id }: StoredEntry, input: StoredSecretInput): Promise<StoredEntry> {
    this.assertOwn(t("Stored secrets"));
    const entry = await this.#options.storedSecrets.copy(id, input);
    await this.#pushStoredSecrets();
    return entry;
  }

  async removeStoredSecret(entry: StoredEntry): Promise<void> {
    this.assertOwn(t("Stored secrets"));
    await this.#options.storedSecrets.remove(entry.id);
    this.#states.forget(entry);
    await this.#pushStoredSecrets();
  }

  /** What is stored has changed; if another window of the workspace did that, this one follows. */
  async storedSecretsChanged(): Promise<void> {
    await ((await this.#options.storedSecrets.load()) ? this.#pushStoredSecrets() : this.#pushed);
  }

  /** Which secret a request would get, and why. @throws OneCliError `bad-request` where the host is none. */
  async explainRequest(host: string, path: string): Promise<ExplainResult> {
    if (this.#team !== undefined) {
      return (await this.#requireTeam()).explain(host, path);
    }
    return (await this.#running()).request({ type: "explain", host, path });
  }

  /** Reads a secret once, without showing it. @throws OneCliError */
  async test(reference: string): Promise<void> {
    this.assertOwn(t("Tests of a reference that is not mapped"));
    await (await this.#running()).request({ type: "test", reference });
  }

  /** Tests the secret of a mapping and keeps the outcome as its state. @throws OneCliError */
  async testEntry(entry: Entry): Promise<void> {
    if (this.#team !== undefined) {
      await (await this.#requireTeam()).test(entry);
      return;
    }
    try {
      await this.test(formatSecretReference(entry.reference));
      this.#own.worked();
      this.#setState(entry, { kind: "ready" });
    } catch (error) {
      this.#own.failed(error);
      if (isOneCliError(error)) {
        this.#setState(entry, { kind: "error", code: error.code, reason: error.message });
      }
      throw error;
    }
  }

  /** Drops every cached value: the next requests ask 1Password. */
  clearCache(): void {
    this.assertOwn(t("Dropping every value (Test Mapping has one read afresh)"));
    this.#thread.notify({ type: "invalidate" });
    this.#forgetErrors();
  }

  async listVaults() {
    return (await this.#running()).request({ type: "listVaults" });
  }

  async listItems(vaultId: string) {
    return (await this.#running()).request({ type: "listItems", vaultId });
  }

  async listFields(vaultId: string, itemId: string) {
    return (await this.#running()).request({ type: "listFields", vaultId, itemId });
  }

  /** Milliseconds since the cached value of a mapping was read; undefined where none is cached. */
  async cacheAge(entry: Entry): Promise<number | undefined> {
    if (this.#thread.state.kind !== "running" || this.#team !== undefined) {
      return undefined;
    }
    const references = [formatSecretReference(entry.reference)];
    const [age] = await this.#thread.request({ type: "cacheAges", references });
    return age ?? undefined;
  }

  /** The variables of a terminal that asks for them, once the gateway runs; none where terminals are left alone. */
  async ensureEnvironment(): Promise<TerminalEnvironment | undefined> {
    return this.#options.settings().terminals === "off"
      ? undefined
      : this.#environment(await this.#thread.start());
  }

  /** The variables that all terminals get at this moment. */
  get environment(): TerminalEnvironment | undefined {
    const { state } = this.#thread;
    const usable = [...this.storedSecrets, ...(this.#own.state.kind === "present" ? this.entries : [])];
    // A team's gateway may have stored secrets, which its API does not list.
    const isOfUse = this.#team !== undefined || usable.some(({ enabled }) => enabled);
    return state.kind === "running" && isOfUse && this.#options.settings().terminals === "all"
      ? this.#environment(state.start)
      : undefined;
  }

  /**
   * Starts the gateway again, with the settings as they are; it runs on as it is where they cannot be used.
   * @throws SettingError; OneCliError where it does not start.
   */
  restart(): Promise<void> {
    const restart = async () => {
      await this.#settingsForGateway();
      this.#isOpen = false;
      await this.#openTeam().finally(() => {
        this.#isOpen = true;
      });
      await this.#thread.stop();
      if (this.#wantsGateway()) {
        await this.#thread.start();
      }
    };
    return (this.#restarted = this.#restarted.catch(() => undefined).then(restart));
  }

  /** The gateway of the team that was confirmed last, in use or not. */
  teamConnection(): Promise<TeamConnection | undefined> {
    return this.#options.teams.read();
  }

  /** It is used from the next {@link restart} on where the setting names it; without one, it is forgotten. */
  async storeTeamConnection(connection: TeamConnection | undefined): Promise<void> {
    await (connection === undefined ? this.#options.teams.delete() : this.#options.teams.store(connection));
  }

  /** What was stored of the team's gateway has changed; if another window did that, this one follows. */
  async teamConnectionChanged(): Promise<void> {
    const stored = await this.#options.teams.read();
    for (let awaited; awaited !== this.#restarted;) {
      // Which takes up what is stored.
      awaited = this.#restarted;
      await awaited.catch(() => undefined);
    }
    const used = this.#usableTeam?.connection;
    const isFor = stored?.url === this.#options.settings().gatewayUrl;
    if (isFor ? JSON.stringify(stored) !== JSON.stringify(used) : used !== undefined) {
      await this.restart();
    }
  }

  /** Looks at the team's gateway anew, and whether terminals reach it; then {@link team} says what is wrong. */
  async checkTeam(): Promise<void> {
    await this.#usableTeam?.recheckRelay();
  }

  /** Whether a view is seen that shows the mappings: those of a team are then looked at every few seconds. */
  showMappings(viewer: object, isShown: boolean): void {
    const { size } = this.#viewers;
    if (isShown) {
      this.#viewers.add(viewer);
    } else {
      this.#viewers.delete(viewer);
    }
    if (this.#viewers.size !== size) {
      this.#usableTeam?.watch(this.#isShown);
    }
  }

  get #isShown(): boolean {
    return this.#viewers.size > 0;
  }

  /** @param what is there only for this window's own gateway. @throws TeamGatewayError while the team's is used */
  assertOwn(what: Phrase): void {
    if (this.#team !== undefined) {
      throw new TeamGatewayError(
        "refused",
        t(
          "{0}: not while the team gateway is used. OneCLI: Use Team Gateway…, Stop Using It, goes back to this window's own.",
          what,
        ),
      );
    }
  }

  async stop(): Promise<void> {
    this.#usableTeam?.dispose();
    await this.#thread.stop();
  }

  dispose(): void {
    this.#usableTeam?.dispose();
    this.#changed.dispose();
    this.#news.dispose();
  }

  /** The gateway, which is started if it does not run. */
  async #running(): Promise<GatewayThread> {
    this.assertOwn(t("Browsing the vaults"));
    await this.#thread.start();
    return this.#thread;
  }

  #environment({ endpoint, files }: StartResult): TerminalEnvironment {
    return terminalEnvironment(endpoint, files, [...this.storedSecrets, ...this.entries], process.env);
  }

  get #usableTeam(): TeamGateway | undefined {
    return this.#team instanceof TeamGateway ? this.#team : undefined;
  }

  /** @throws TeamGatewayError where it is not confirmed. */
  #requireTeam(): Promise<TeamGateway> {
    return this.#team instanceof TeamGateway
      ? Promise.resolve(this.#team)
      : Promise.reject(this.#team ?? new TeamGatewayError("unconfirmed", t("No team gateway is used.")));
  }

  /** Takes up what the setting names and what was confirmed. @throws SettingError */
  async #openTeam(): Promise<void> {
    const { settings, teams, logger } = this.#options;
    const current = settings();
    const connection = await teams.read();
    const extraCaCertificates = await readExtraCertificates(current);
    this.#usableTeam?.dispose();
    if (current.gatewayUrl === "") {
      this.#team = undefined;
    } else if (connection?.url !== current.gatewayUrl) {
      this.#team = unconfirmed(current.gatewayUrl);
    } else {
      const team: TeamGateway = new TeamGateway({
        connection,
        extraCaCertificates,
        logger,
        onChange: () => this.#teamChanged(team),
        onActivity: (records, arePast) => {
          if (!arePast) {
            this.#tell(records.filter((record) => record.agent === connection.agent));
          }
          this.#news.fire({ records, accountRequests: 0 });
        },
        relayFault: () => this.#relayFault(),
      });
      this.#team = team;
      team.watch(this.#isShown);
      await team.refresh();
    }
    this.#changed.fire();
  }

  #teamChanged(team: TeamGateway): void {
    const { kind } = this.#thread.state;
    if (team === this.#team && !team.isConfirmed && kind !== "stopped") {
      this.#thread.stop().catch((error: unknown) => this.#options.logger.error(explainInEnglish(error)));
    } else if (team === this.#team && team.isConfirmed && kind === "stopped" && this.#isOpen) {
      this.#thread.start().catch((error: unknown) => this.#options.logger.error(explainInEnglish(error)));
    }
    this.#changed.fire();
  }

  async #relayFault(): Promise<string | undefined> {
    if (this.#thread.state.kind !== "running") {
      return undefined;
    }
    try {
      await this.#thread.request({ type: "checkRelay" });
      return undefined;
    } catch (error) {
      // The thread may have ended meanwhile; the next one is asked again.
      return isOneCliError(error, "upstream-unreachable")
        ? vscode.l10n.t(
            "{0} OneCLI: Use Team Gateway…, Change…, takes another address, agent and password.",
            coreText(error.message),
          )
        : undefined;
    }
  }

  #wantsGateway(): boolean {
    if (this.#team !== undefined) {
      return this.#usableTeam?.isConfirmed === true;
    }
    const entries = [...this.storedSecrets, ...this.entries];
    return (
      this.#own.state.kind === "present" ||
      entries.some(({ enabled }) => enabled) ||
      this.#options.settings().apiEnabled
    );
  }

  async #startOptions(): Promise<StartOptions> {
    const { identity, dataDir } = this.#options;
    const authority = await identity.authority();
    const own = {
      ...(authority !== undefined && { authority }),
      dataDir,
      ...(await this.#settingsForGateway()),
      port: identity.port,
      anyPort: true,
      password: await identity.password(),
    };
    if (this.#team !== undefined) {
      const team = await this.#requireTeam();
      team.assertConfirmed();
      const relay = { proxy: team.proxy, certificate: team.connection.certificate };
      return { ...own, mappings: [], relay };
    }
    return {
      ...own,
      mappings: this.entries.map(toInput),
      storedSecrets: await this.#options.storedSecrets.withValues(),
      ...(await this.#apiOptions()),
    };
  }

  async #apiOptions(): Promise<Pick<StartOptions, "api">> {
    const { identity, settings } = this.#options;
    const { apiEnabled, apiPort } = settings();
    if (!apiEnabled) {
      return {};
    }
    const isAny = apiPort === 0;
    return {
      api: { token: await identity.apiToken(), port: isAny ? identity.apiPort : apiPort, anyPort: isAny },
    };
  }

  /** @throws SettingError */
  async #settingsForGateway() {
    const current = this.#options.settings();
    return {
      ...parentOptions(current, this.#options.identity.port),
      extraCaCertificates: await readExtraCertificates(current),
    };
  }

  async #onStarted({ endpoint, authority, api }: StartResult): Promise<void> {
    const { identity, onApiFault, onPortChanged } = this.#options;
    if (api !== undefined && "fault" in api) {
      onApiFault(api.fault);
    } else if (api !== undefined && api.port !== identity.apiPort) {
      await identity.storeApiPort(api.port);
    }
    const stored = await identity.authority();
    if (stored?.certificate !== authority.certificate) {
      await identity.storeAuthority(authority);
    }
    const formerPort = identity.port;
    if (formerPort !== endpoint.port) {
      await identity.storePort(endpoint.port);
      if (formerPort !== 0) {
        onPortChanged();
      }
    }
    if (this.#team !== undefined) {
      return;
    }
    // A token that is none any more must not keep the gateway from starting: the next one needs it.
    await this.#own
      .useStored()
      .catch((error: unknown) => this.#options.logger.error(explainInEnglish(error)));
  }

  #onThreadState(state: ThreadState): void {
    if (state.kind === "restarting") {
      this.#options.onRestart();
    } else if (state.kind === "running") {
      // The token may have changed between its reading and now.
      (this.#team === undefined ? this.accountChanged() : this.checkTeam()).catch((error: unknown) =>
        this.#options.logger.error(explainInEnglish(error)),
      );
    }
    this.#changed.fire();
  }

  /** What the person has to know of. */
  #tell(records: readonly ActivityRecord[]): void {
    for (const { mapping, error, host, warning, service } of records) {
      if (warning !== undefined && service !== undefined) {
        this.#options.onPlaceholderLeak(service, host);
      }
      if (error !== undefined && (mapping !== undefined || error === "upstream-certificate")) {
        this.#options.onRequestFailed(error, host);
      }
    }
  }

  #onActivity(records: readonly ActivityRecord[], accountRequests: number): void {
    if (this.#team !== undefined) {
      // What a relay sees of a request; the team's gateway has the whole of it.
      return;
    }
    this.#tell(records);
    for (const record of records) {
      if (record.mapping !== undefined && record.source !== undefined) {
        this.#options.logger.debug(describeUse(record));
        this.#states.take(record);
        this.#own.take(record);
      }
    }
    this.#changed.fire();
    this.#news.fire({ records, accountRequests });
  }

  async #mappingsChanged(): Promise<void> {
    this.#changed.fire();
    if (this.#thread.state.kind !== "stopped" || this.#wantsGateway()) {
      // A start that is under way has read the mappings from before; what is there after it is sent.
      await this.#thread.start();
      await this.#thread.request({ type: "setMappings", mappings: this.entries.map(toInput) });
    }
    this.#changed.fire();
  }

  /** Gives the gateway what is stored; each time waits for the one before, so that the last word holds. */
  #pushStoredSecrets(): Promise<void> {
    this.#changed.fire();
    const push = async () => {
      if (this.#team !== undefined) {
        return;
      }
      if (this.#thread.state.kind !== "stopped" || this.#wantsGateway()) {
        await this.#thread.start();
        const storedSecrets = await this.#options.storedSecrets.withValues();
        await this.#thread.request({ type: "setStoredSecrets", storedSecrets });
      }
      this.#changed.fire();
    };
    return (this.#pushed = this.#pushed.catch(() => undefined).then(push));
  }

  #forgetErrors(): void {
    this.#states.forgetErrors();
    this.#changed.fire();
  }

  #setState(entry: Entry, state: EntryState): void {
    this.#states.set(entry, state);
    this.#changed.fire();
  }
}

/** Without the path: some services want a secret in it. */
function describeUse({ method, host, status, source, mapping = "", error }: ActivityRecord): string {
  const kind = source === "stored" ? "stored secret" : "mapping";
  return `${method} ${host}: ${error ?? status}, with the secret of the ${kind} for ${mapping}.`;
}
