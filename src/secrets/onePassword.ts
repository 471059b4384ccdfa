import type * as OnePasswordSdk from "@1password/sdk";
import type { Client } from "@1password/sdk";
import { OneCliError } from "../core/errors.ts";
import type {
  Clock,
  FieldEntry,
  ItemEntry,
  SecretBrowser,
  SecretProvider,
  VaultEntry,
} from "../core/ports.ts";
import { formatSecretReference } from "../core/secretReference.ts";
import type { SecretReference } from "../core/secretReference.ts";
import { SecretValue } from "../core/secretValue.ts";
import { classifyOnePasswordError, classifyReferenceFailure, vaultNotFound } from "./onePasswordErrors.ts";
import type { ServiceAccountToken } from "../core/serviceAccountToken.ts";
import { systemClock } from "./systemClock.ts";

type Sdk = Pick<typeof OnePasswordSdk, "createClient">;

export interface OnePasswordOptions {
  readonly token: ServiceAccountToken;
  /** Version of this program, told to 1Password with each request. */
  readonly integrationVersion: string;
  /** Milliseconds a call may take, a sign-in within it included. */
  readonly timeoutMs?: number;
  /** Milliseconds for which the ids behind the names of a reference are relied upon. */
  readonly namesTtlMs?: number;
  readonly clock?: Clock;
  /** Why the last connection to 1Password could not be made, in sentences; the SDK's own errors do not say. */
  readonly connectionFailure?: () => string | undefined;
  /** Told of requests to 1Password that count against its limits, when they are made: all but those of a sign-in. */
  readonly onRequests?: (count: number) => void;
  readonly loadSdk?: () => Promise<Sdk>;
}

interface ItemIds {
  readonly vault: string;
  readonly item: string;
  readonly learntAt: number;
}

const idPattern = /^[a-z2-7]{26}$/;

/** What reading a secret by names costs: the vaults, the items of one, the item. */
const requestsByNames = 3;

/**
 * 1Password through its SDK, as one service account. Nothing is loaded and nobody is asked before the first call.
 *
 * The SDK keeps keys and no items, so a changed secret is seen at once. It has no time limit and does not retry.
 * Every method throws OneCliError: `not-connected` after {@link dispose}, otherwise what
 * {@link classifyOnePasswordError} makes of the failure.
 */
export class OnePassword implements SecretProvider, SecretBrowser {
  readonly #token: ServiceAccountToken;
  readonly #integrationVersion: string;
  readonly #timeoutMs: number;
  readonly #namesTtlMs: number;
  readonly #clock: Clock;
  readonly #connectionFailure: () => string | undefined;
  readonly #count: (requests: number) => void;
  readonly #loadSdk: () => Promise<Sdk>;
  readonly #ids = new Map<string, ItemIds>();
  #signIn: Promise<Client> | undefined;
  #disposed = false;

  constructor(options: OnePasswordOptions) {
    this.#token = options.token;
    this.#integrationVersion = options.integrationVersion;
    this.#timeoutMs = options.timeoutMs ?? 15_000;
    this.#namesTtlMs = options.namesTtlMs ?? 600_000;
    this.#clock = options.clock ?? systemClock;
    this.#connectionFailure = options.connectionFailure ?? (() => undefined);
    this.#count = options.onRequests ?? (() => undefined);
    // Loaded late: the library is 14 MB of WebAssembly, and a failure here must not take the program with it.
    this.#loadSdk = options.loadSdk ?? (() => import("@1password/sdk"));
  }

  /** How the account is shown to people. */
  get name(): string {
    return this.#token.account;
  }

  resolve(reference: SecretReference): Promise<SecretValue> {
    return this.#call(async (client) => {
      const ids = this.#idsOf(reference);
      if (ids !== undefined) {
        try {
          this.#count(1);
          return new SecretValue(
            await client.secrets.resolve(formatSecretReference({ ...reference, ...ids })),
          );
        } catch (error) {
          // When a read by ids fails, for whatever reason, the SDK takes the ids for names and says that there is no
          // such vault. Only the way by names tells what is wrong, or finds the item that has the name by then.
          const classified = classifyOnePasswordError(error);
          if (classified.code !== "reference-not-found") {
            throw classified;
          }
          this.forget(reference);
        }
      }
      return this.#resolveByNames(client, reference);
    });
  }

  forget(reference?: SecretReference): void {
    if (reference === undefined) {
      this.#ids.clear();
    } else {
      this.#ids.delete(itemKey(reference));
    }
  }

  /** Shows that the token opens vaults: signing in alone would say nothing about its permissions and its keys. */
  async verify(): Promise<{ account: string; vaults: number }> {
    const vaults = await this.listVaults();
    return { account: this.#token.account, vaults: vaults.length };
  }

  listVaults(): Promise<VaultEntry[]> {
    return this.#call(async (client) => {
      this.#count(1);
      const vaults = await client.vaults.list();
      return vaults.map(({ id, title }) => ({ id, title })).sort(byTitle);
    });
  }

  /** The items of a vault that are not archived. */
  listItems(vaultId: string): Promise<ItemEntry[]> {
    return this.#call(async (client) => {
      this.#count(1);
      const items = await client.items.list(vaultId);
      return items.map(({ id, title, category }) => ({ id, title, category })).sort(byTitle);
    });
  }

  listFields(vaultId: string, itemId: string): Promise<FieldEntry[]> {
    return this.#call(async (client) => {
      this.#count(1);
      const { fields, sections, notes } = await client.items.get(vaultId, itemId);
      const titles = new Map(sections.map(({ id, title }) => [id, title]));
      const entries = fields.map(({ id, title, sectionId, fieldType }): FieldEntry => {
        const sectionTitle = titles.get(sectionId ?? "") ?? "";
        const inSection = sectionId !== undefined && sectionTitle !== "";
        return {
          id,
          label: title,
          ...(inSection && { section: { id: sectionId, title: sectionTitle } }),
          type: fieldType,
        };
      });
      return notes === "" ? entries : [...entries, { id: "notesPlain", label: "notes", type: "Notes" }];
    });
  }

  /** Lets go of the account. Calls that are under way fail too. */
  dispose(): void {
    this.#disposed = true;
    this.#signIn = undefined;
    this.#ids.clear();
  }

  async #resolveByNames(client: Client, reference: SecretReference): Promise<SecretValue> {
    if (idPattern.test(reference.vault)) {
      this.#count(1);
      await assertVaultExists(client, reference.vault);
    }
    const text = formatSecretReference(reference);
    this.#count(requestsByNames);
    // Costs the same requests as `resolve` and tells the ids besides.
    const { individualResponses } = await client.secrets.resolveAll([text]);
    const { content, error } = individualResponses[text] ?? {};
    if (content) {
      this.#ids.set(itemKey(reference), {
        vault: content.vaultId,
        item: content.itemId,
        learntAt: this.#clock.now(),
      });
      return new SecretValue(content.secret);
    }
    const failure = error ? classifyReferenceFailure(error) : undefined;
    if (failure !== undefined) {
      throw failure;
    }
    // `resolveAll` hides, for one, a rate limit that is met on the way to the item; `resolve` does not.
    this.#count(requestsByNames);
    return new SecretValue(await client.secrets.resolve(text));
  }

  /**
   * The ids that a reference consists of, or those learnt for its names: one request instead of three. They are kept
   * for a while only, since an item may be renamed and its name given to another.
   */
  #idsOf(reference: SecretReference): { vault: string; item: string } | undefined {
    const { vault, item } = reference;
    if (idPattern.test(vault) && idPattern.test(item)) {
      return { vault, item };
    }
    const learnt = this.#ids.get(itemKey(reference));
    return learnt !== undefined && this.#clock.now() - learnt.learntAt < this.#namesTtlMs
      ? { vault: learnt.vault, item: learnt.item }
      : undefined;
  }

  async #call<T>(work: (client: Client) => Promise<T>): Promise<T> {
    this.#assertConnected();
    // The sign-in's own limit begins first, so it is never older than the limit of a call that waits for it.
    const signIn = (this.#signIn ??= this.#startSignIn());
    try {
      return await this.#limited(signIn.then(work), () => this.#drop(signIn));
    } catch (error) {
      throw classifyOnePasswordError(error, this.#connectionFailure());
    } finally {
      this.#assertConnected();
    }
  }

  #startSignIn(): Promise<Client> {
    const signIn: Promise<Client> = this.#limited(this.#createClient(), () => this.#drop(signIn));
    signIn.catch(() => this.#drop(signIn));
    return signIn;
  }

  async #createClient(): Promise<Client> {
    const sdk = await this.#loadSdk().catch((error: unknown) => {
      throw new OneCliError("internal", "1Password's library could not be loaded.", { cause: error });
    });
    return sdk.createClient({
      auth: this.#token.token,
      integrationName: "OneCLI",
      integrationVersion: this.#integrationVersion,
    });
  }

  /** The next call signs in anew. */
  #drop(signIn: Promise<Client>): void {
    if (this.#signIn === signIn) {
      this.#signIn = undefined;
    }
  }

  /**
   * Gives up on `work` after the time limit; it cannot be stopped, and how it ends is of no interest then. The client
   * is not used again: while one of its requests hangs (up to 300 s) a client may keep all others waiting.
   */
  #limited<T>(work: Promise<T>, giveUp: () => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(this.#timeoutMs, () => {
        giveUp();
        const message = `1Password did not answer within ${this.#timeoutMs / 1000} seconds.`;
        reject(new OneCliError("onepassword-unreachable", message, { retryAfterSeconds: 5 }));
      });
      work.then(resolve, reject).finally(cancel);
    });
  }

  #assertConnected(): void {
    if (this.#disposed) {
      throw new OneCliError("not-connected", "No 1Password account is connected.");
    }
  }
}

/** The SDK lists in no order of its own. */
function byTitle(a: { readonly title: string }, b: { readonly title: string }): number {
  return a.title.localeCompare(b.title);
}

/** One entry per item: all its fields are behind the same ids. */
function itemKey({ vault, item }: SecretReference): string {
  return `${vault}/${item}`;
}

/** Of a vault id that is not there the SDK says that the item is missing. */
async function assertVaultExists(client: Client, vaultId: string): Promise<void> {
  const vaults = await client.vaults.list({ decryptDetails: false });
  if (!vaults.some(({ id }) => id === vaultId)) {
    throw vaultNotFound();
  }
}
