// How the team's gateway is reached, at rest.
import { join } from "node:path";
import type { Disposable, SecretStorage } from "vscode";
import * as z from "zod";
import { SealedText } from "./sealedText.ts";

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
  readonly #sealed: SealedText;

  /** @param folder the extension's global storage on the machine it runs on. */
  constructor(secrets: SecretStorage, folder: string) {
    this.#sealed = new SealedText(secrets, {
      storageKey: "onecli.team",
      keyFile: join(folder, "team.key"),
      purpose: "onecli team gateway v1",
    });
  }

  /** @throws Error where the key file or the envelope cannot be written. */
  store(connection: TeamConnection): Promise<void> {
    return this.#sealed.store(JSON.stringify(connection));
  }

  /** Undefined where there is none, or none that can be opened any more: then it has to be asked for. */
  async read(): Promise<TeamConnection | undefined> {
    const opened = await this.#sealed.read();
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
  delete(): Promise<void> {
    return this.#sealed.delete();
  }

  /** Another window has changed it, or this one has. */
  onDidChange(listener: () => void): Disposable {
    return this.#sealed.onDidChange(listener);
  }
}
