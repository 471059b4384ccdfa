// One text at rest: sealed with a key that lies in a file, the envelope in SecretStorage.
import type { Disposable, SecretStorage } from "vscode";
import { KeyFile, type Opened } from "./keyFile.ts";

interface Place {
  /** Of the envelope in SecretStorage. */
  readonly storageKey: string;
  readonly keyFile: string;
  /** Binds the envelope: it opens for nothing else. */
  readonly purpose: string;
}

export class SealedText {
  readonly #secrets: SecretStorage;
  readonly #place: Place;
  readonly #keyFile: KeyFile;

  constructor(secrets: SecretStorage, place: Place) {
    this.#secrets = secrets;
    this.#place = place;
    this.#keyFile = new KeyFile(place.keyFile);
  }

  /** @throws Error where the key file or the envelope cannot be written. */
  async store(text: string): Promise<void> {
    const { storageKey, purpose } = this.#place;
    await this.#secrets.store(storageKey, await this.#keyFile.seal(text, purpose));
  }

  /** Undefined where there is none. */
  async read(): Promise<Opened | undefined> {
    const sealed = await this.#secrets.get(this.#place.storageKey);
    return sealed === undefined ? undefined : this.#keyFile.open(sealed, this.#place.purpose);
  }

  /** Removes both halves. */
  async delete(): Promise<void> {
    await this.#secrets.delete(this.#place.storageKey);
    await this.#keyFile.delete();
  }

  /** Another window has changed it, or this one has. */
  onDidChange(listener: () => void): Disposable {
    return this.#secrets.onDidChange(({ key }) => {
      if (key === this.#place.storageKey) {
        listener();
      }
    });
  }
}
