// What one window of VS Code has: a session over the real gateway thread, with the storage that the window sees.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as vscode from "vscode";
import { type ErrorCode } from "../../src/core/errors.ts";
import { ApiWrites, type Question, type Verdict } from "../../src/vscode/apiWrites.ts";
import { IdentityStore } from "../../src/vscode/identityStore.ts";
import { MappingStore } from "../../src/vscode/mappingStore.ts";
import { Session } from "../../src/vscode/session.ts";
import { type Settings } from "../../src/vscode/settings.ts";
import { StoredSecretStore } from "../../src/vscode/storedSecretStore.ts";
import { TeamStore } from "../../src/vscode/teamStore.ts";
import { TokenStore } from "../../src/vscode/tokenStore.ts";
import { gatewayFile } from "../support/gatewayThread.ts";
import { openTls, requestHead } from "../support/wire.ts";
import { type MemorySecrets, MemoryState } from "../unit/vscode/memory.ts";

const log = vscode.window.createOutputChannel("OneCLI tests", { log: true });

export class TestWindow {
  readonly session: Session;
  readonly failures: { readonly code: ErrorCode; readonly host: string }[] = [];
  readonly leaks: { readonly service: string; readonly host: string }[] = [];
  /** What programs asked for over the API. */
  readonly questions: Question[] = [];
  readonly writes: ApiWrites;
  readonly apiFaults: string[] = [];
  /** Answers the questions. */
  person: (question: Question) => Promise<Verdict> = () => Promise.reject(new Error("nobody is there"));
  restarts = 0;
  portChanges = 0;
  settings: Settings;
  readonly #folder: string;
  #tooLate = false;
  #wakers: (() => void)[] = [];

  private constructor(
    folder: string,
    secrets: MemorySecrets,
    state: MemoryState,
    settings: Settings,
    timeLimit: number,
  ) {
    this.#folder = folder;
    this.settings = settings;
    const tokens = new TokenStore(secrets, folder, log);
    const identity = new IdentityStore(secrets, state);
    const storedSecrets = new StoredSecretStore(secrets, folder, () => identity.workspaceId());
    const teams = new TeamStore(secrets, folder);
    this.session = new Session({
      gatewayFile,
      dataDir: join(folder, "trust"),
      tokens,
      identity,
      mappings: new MappingStore(state),
      storedSecrets,
      teams,
      logger: log,
      settings: () => this.settings,
      onRequestFailed: (code, host) => this.failures.push({ code, host }),
      onPlaceholderLeak: (service, host) => this.leaks.push({ service, host }),
      onRestart: () => this.restarts++,
      onPortChanged: () => this.portChanges++,
      onWriteAsked: (write) => this.writes.perform(write),
      onApiFault: (fault) => this.apiFaults.push(fault),
    });
    this.writes = new ApiWrites({
      session: () => this.session,
      state,
      ask: (question) => {
        this.questions.push(question);
        this.#wake();
        return this.person(question);
      },
      onTooLate: () => {
        this.#tooLate = true;
        this.#wake();
      },
      timeLimit,
    });
    this.writes.watch();
    teams.onDidChange(() => void this.session.teamConnectionChanged());
    tokens.onDidChange(() => void this.session.accountChanged());
    storedSecrets.onDidChange(() => void this.session.storedSecretsChanged());
  }

  static async open(
    secrets: MemorySecrets,
    settings: Partial<Settings>,
    {
      state = new MemoryState(),
      folder,
      timeLimit = 60_000,
    }: { state?: MemoryState; folder?: string; timeLimit?: number } = {},
  ): Promise<TestWindow> {
    const own = folder ?? (await mkdtemp(join(tmpdir(), "onecli-window-")));
    const all: Settings = {
      terminals: "all",
      gatewayUrl: "",
      parentProxy: "",
      noProxy: [],
      extraCaCertificates: [],
      http: { proxy: "", proxyAuthorization: "", noProxy: [] },
      apiEnabled: false,
      apiPort: 0,
      ...settings,
    };
    const window = new TestWindow(own, secrets, state, all, timeLimit);
    await window.session.open();
    return window;
  }

  /** The folder that windows of one installation share. */
  get folder(): string {
    return this.#folder;
  }

  /** Fulfilled when `isTrue` holds after a change of the session. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) {
      await new Promise<void>((resolve) => {
        const subscription = this.session.onDidChange(() => {
          subscription.dispose();
          resolve();
        });
      });
    }
  }

  /** Fulfilled when the person was asked so often. */
  async untilAsked(count: number): Promise<void> {
    while (this.questions.length < count) {
      await new Promise<void>((resolve) => this.#wakers.push(resolve));
    }
  }

  /** Fulfilled when an answer of the person came too late. */
  async untilTooLate(): Promise<void> {
    while (!this.#tooLate) {
      await new Promise<void>((resolve) => this.#wakers.push(resolve));
    }
  }

  #wake(): void {
    this.#wakers.splice(0).forEach((wake) => wake());
  }

  /** GET of a mapped host, by the variables that a terminal gets. */
  async get(host: string, path = "/", ...fields: string[]): Promise<{ status: number; body: string }> {
    const environment = await this.session.ensureEnvironment();
    const proxy = new URL(environment?.set["HTTPS_PROXY"] ?? "");
    const endpoint = { port: Number(proxy.port), username: proxy.username, password: proxy.password };
    const ca = await readFile(environment?.set["SSL_CERT_FILE"] ?? "", "utf8");
    const wire = await openTls(endpoint, `${host}:443`, { ca });
    wire.send(requestHead(`GET ${path}`, `Host: ${host}`, "Connection: close", ...fields));
    const { status, body } = await wire.answer();
    wire.socket.destroy();
    return { status, body };
  }

  /** As the window does when it is closed or reloaded. */
  async close(): Promise<void> {
    this.writes.dispose();
    await this.session.stop();
    this.session.dispose();
  }

  async remove(): Promise<void> {
    await this.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
