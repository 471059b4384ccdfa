// The Service Account token at rest: sealed, the envelope in SecretStorage.
import { join } from "node:path";
import type { Disposable, SecretStorage } from "vscode";
import type { Logger } from "../core/ports.ts";
import { KeyFile } from "./keyFile.ts";

const storageKey = "onecli.account";
const purpose = "onecli service account token v1";

export class TokenStore {
  readonly #secrets: SecretStorage;
  readonly #keyFile: KeyFile;
  readonly #logger: Logger;

  /** @param folder the extension's global storage on the machine it runs on. */
  constructor(secrets: SecretStorage, folder: string, logger: Logger) {
    this.#secrets = secrets;
    this.#keyFile = new KeyFile(join(folder, "account.key"));
    this.#logger = logger;
  }

  /** @throws Error where the key file or the envelope cannot be written. */
  async store(token: string): Promise<void> {
    await this.#secrets.store(storageKey, await this.#keyFile.seal(token, purpose));
  }

  /** The token; undefined where there is none, or none that can be opened any more: then it has to be asked for. */
  async read(): Promise<string | undefined> {
    const sealed = await this.#secrets.get(storageKey);
    if (sealed === undefined) {
      return undefined;
    }
    const opened = await this.#keyFile.open(sealed, purpose);
    if (opened.kind === "opened") {
      return opened.text;
    }
    this.#logger.warn("The stored token cannot be opened any more; 1Password has to be connected again.");
    return undefined;
  }

  /** Removes both halves. */
  async delete(): Promise<void> {
    await this.#secrets.delete(storageKey);
    await this.#keyFile.delete();
  }

  /** Another window has connected or disconnected, or this one has. */
  onDidChange(listener: () => void): Disposable {
    return this.#secrets.onDidChange(({ key }) => {
      if (key === storageKey) {
        listener();
      }
    });
  }
}
