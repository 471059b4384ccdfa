// How the team's gateway is reached: sealed, the envelope in SecretStorage.
import { join } from "node:path";
import type { Disposable, SecretStorage } from "vscode";
import { z } from "zod";
import { KeyFile } from "./keyFile.ts";

const storageKey = "onecli.team";
const purpose = "onecli team gateway v1";

const teamConnection = z.strictObject({
  /** Of the management API, `scheme://host[:port]`. */
  url: z.string(),
  /** Of the management API. */
  token: z.string().min(1),
  /** Of the proxy, without user name and password. */
  proxy: z.string(),
  agent: z.string().min(1),
  password: z.string().min(1),
  /** PEM: the CA, as the person has confirmed it. */
  certificate: z.string(),
});
export type TeamConnection = z.infer<typeof teamConnection>;

export class TeamStore {
  readonly #secrets: SecretStorage;
  readonly #keyFile: KeyFile;

  /** @param folder the extension's global storage on the machine it runs on. */
  constructor(secrets: SecretStorage, folder: string) {
    this.#secrets = secrets;
    this.#keyFile = new KeyFile(join(folder, "team.key"));
  }

  /** @throws Error where the key file or the envelope cannot be written. */
  async store(connection: TeamConnection): Promise<void> {
    await this.#secrets.store(storageKey, await this.#keyFile.seal(JSON.stringify(connection), purpose));
  }

  /** Undefined where there is none, or none that can be opened any more: then it has to be asked for. */
  async read(): Promise<TeamConnection | undefined> {
    const sealed = await this.#secrets.get(storageKey);
    const opened = sealed === undefined ? undefined : await this.#keyFile.open(sealed, purpose);
    if (opened?.kind !== "opened") {
      return undefined;
    }
    try {
      return teamConnection.parse(JSON.parse(opened.text));
    } catch {
      return undefined;
    }
  }

  /** Removes both halves. */
  async delete(): Promise<void> {
    await this.#secrets.delete(storageKey);
    await this.#keyFile.delete();
  }

  /** Another window has changed it, or this one has. */
  onDidChange(listener: () => void): Disposable {
    return this.#secrets.onDidChange(({ key }) => {
      if (key === storageKey) {
        listener();
      }
    });
  }
}
