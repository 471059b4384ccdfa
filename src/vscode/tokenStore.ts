// The Service Account token at rest.
import { join } from "node:path";
import type { Disposable, SecretStorage } from "vscode";
import type { Logger } from "../core/ports.ts";
import { SealedText } from "./sealedText.ts";

export class TokenStore {
  readonly #sealed: SealedText;
  readonly #logger: Logger;

  /** @param folder the extension's global storage on the machine it runs on. */
  constructor(secrets: SecretStorage, folder: string, logger: Logger) {
    this.#sealed = new SealedText(secrets, {
      storageKey: "onecli.account",
      keyFile: join(folder, "account.key"),
      purpose: "onecli service account token v1",
    });
    this.#logger = logger;
  }

  /** @throws Error where the key file or the envelope cannot be written. */
  store(token: string): Promise<void> {
    return this.#sealed.store(token);
  }

  /** The token; undefined where there is none, or none that can be opened any more: then it has to be asked for. */
  async read(): Promise<string | undefined> {
    const opened = await this.#sealed.read();
    if (opened === undefined || opened.kind === "opened") {
      return opened?.text;
    }
    this.#logger.warn("The stored token cannot be opened any more; 1Password has to be connected again.");
    return undefined;
  }

  /** Removes both halves. */
  delete(): Promise<void> {
    return this.#sealed.delete();
  }

  /** Another window has connected or disconnected, or this one has. */
  onDidChange(listener: () => void): Disposable {
    return this.#sealed.onDidChange(listener);
  }
}
