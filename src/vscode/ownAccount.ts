// The 1Password Service Account of this window's own gateway: its token, what is known of it, and what went wrong.
import { createHash } from "node:crypto";
import { describeError, type ErrorCode, isMappingError, isOneCliError } from "../core/errors.ts";
import type { ActivityRecord, ConnectResult } from "../shared/gatewayProtocol.ts";
import type { GatewayThread } from "./gatewayThread.ts";
import { PhraseError, t } from "./phrase.ts";
import type { Account } from "./states.ts";
import type { TokenStore } from "./tokenStore.ts";

/** What went wrong between here and 1Password. `at` is a Unix time in milliseconds. */
export interface AccountProblem {
  readonly code: ErrorCode;
  readonly message: string;
  readonly at: number;
}

interface OwnAccountOptions {
  readonly tokens: TokenStore;
  readonly thread: GatewayThread;
  /** Where tokens are sealed: the place is named where that fails. */
  readonly dataDir: string;
  /** Whether the gateway runs and reads secrets itself. */
  readonly isInUse: () => boolean;
  readonly onChange: () => void;
  /** There is another token, or none: what has failed may work from now on. */
  readonly onToken: () => void;
}

export class OwnAccount {
  readonly #options: OwnAccountOptions;
  #state: Account = { kind: "none" };
  #problem: AccountProblem | undefined;
  /** Digest of the token that the gateway was given. */
  #tokenInUse: string | undefined;
  /** A connection that was begun before the last of them is not kept. */
  #disconnections = 0;
  /** Changes one after the other: the last word holds. */
  #changes: Promise<unknown> = Promise.resolve();

  constructor(options: OwnAccountOptions) {
    this.#options = options;
  }

  get state(): Account {
    return this.#state;
  }

  /** The last failure of 1Password or of a mapping, until a secret is read again. */
  get problem(): AccountProblem | undefined {
    return this.#problem;
  }

  /** Looks whether a token is stored. */
  async read(): Promise<void> {
    const token = await this.#options.tokens.read();
    if (token === undefined) {
      this.#state = { kind: "none" };
    } else if (this.#state.kind === "none") {
      this.#state = { kind: "present" };
    }
    this.#options.onChange();
  }

  /** Takes up the stored token, where it is another one than before. */
  follow(): Promise<void> {
    return this.#serially(async () => {
      const { tokens, isInUse, onToken } = this.#options;
      const disconnections = this.#disconnections;
      const token = await tokens.read();
      // Of a token that was read before a disconnection nothing holds any more.
      if (digest(token) === this.#tokenInUse || disconnections !== this.#disconnections) {
        return;
      }
      this.#state = token === undefined ? { kind: "none" } : { kind: "present" };
      if (isInUse()) {
        await this.useStored();
      }
      onToken();
    });
  }

  /**
   * Checks a token against 1Password and, unless `cancelled` by then, seals and stores it. Where any of that fails,
   * everything is as it was before.
   * @throws OneCliError; Error where it cannot be stored.
   */
  connect(token: string, cancelled: () => boolean): Promise<ConnectResult | undefined> {
    const disconnections = this.#disconnections;
    const isUnwanted = () => cancelled() || disconnections !== this.#disconnections;
    return this.#serially(async () => {
      const { tokens, thread, onToken } = this.#options;
      await thread.start();
      let result: ConnectResult;
      try {
        result = await thread.request({ type: "connect", token });
        if (isUnwanted()) {
          await this.useStored();
          return undefined;
        }
        await this.#store(token.trim());
        if (isUnwanted()) {
          // Storing may have waited for the person, who has disconnected meanwhile.
          await tokens.delete();
          await this.useStored();
          return undefined;
        }
      } catch (error) {
        this.failed(error);
        await this.useStored().catch(() => undefined);
        throw error;
      }
      this.#state = { kind: "present", name: result.account, vaults: result.vaults };
      this.#problem = undefined;
      onToken();
      return result;
    });
  }

  /** Removes the token everywhere, and with it every cached value; at once, whatever is being connected. */
  async disconnect(): Promise<void> {
    const { tokens, thread, onToken } = this.#options;
    this.#disconnections++;
    thread.notify({ type: "disconnect" });
    this.#tokenInUse = digest(undefined);
    this.#state = { kind: "none" };
    this.#problem = undefined;
    onToken();
    await tokens.delete();
  }

  /** Makes the running gateway use the stored token, or none. @throws OneCliError */
  async useStored(): Promise<void> {
    const { tokens, thread } = this.#options;
    const token = await tokens.read();
    this.#tokenInUse = digest(token);
    if (token === undefined) {
      thread.notify({ type: "disconnect" });
    } else {
      await thread.request({ type: "useAccount", token });
    }
  }

  /** A secret was read. */
  worked(): void {
    this.#problem = undefined;
  }

  failed(error: unknown): void {
    if (isOneCliError(error) && isMappingError(error.code)) {
      this.#problem = { code: error.code, message: error.message, at: Date.now() };
      this.#options.onChange();
    }
  }

  /** Takes up what a request that a secret belongs to has shown. */
  take({ error, at, cacheHit }: ActivityRecord): void {
    if (error !== undefined && isMappingError(error)) {
      this.#problem = { code: error, message: describeError(error).hint, at };
    } else if (cacheHit === false) {
      this.worked();
    }
  }

  async #store(token: string): Promise<void> {
    const former = this.#tokenInUse;
    // Before it is stored: storage tells of the change at once.
    this.#tokenInUse = digest(token);
    try {
      await this.#options.tokens.store(token);
    } catch (error) {
      this.#tokenInUse = former;
      const { code } = error as NodeJS.ErrnoException;
      throw new PhraseError(
        code === undefined
          ? t("The token could not be stored in VS Code's secret storage; nothing was kept.")
          : t("The token could not be stored in {0} ({1}); nothing was kept.", this.#options.dataDir, code),
        { cause: error },
      );
    }
  }

  #serially<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#changes.then(change);
    this.#changes = changed.catch(() => undefined);
    return changed;
  }
}

function digest(token: string | undefined): string | undefined {
  return token === undefined ? undefined : createHash("sha256").update(token).digest("hex");
}
