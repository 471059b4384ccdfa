// What makes this window's gateway the same one after a reload, so that the terminals it left behind go on working.
import { createHash, randomBytes, randomUUID } from "node:crypto";
import type { Memento, SecretStorage } from "vscode";
import * as z from "zod";
import type { AuthorityPems } from "../shared/gatewayProtocol.ts";

const authorityKey = "onecli.authority";
const workspaceKey = "onecli.workspace";
const portKey = "onecli.port";
const apiPortKey = "onecli.apiPort";

const storedPort = z.int().min(1).max(65_535).catch(0);

export class IdentityStore {
  readonly #secrets: SecretStorage;
  readonly #workspace: Memento;

  constructor(secrets: SecretStorage, workspace: Memento) {
    this.#secrets = secrets;
    this.#workspace = workspace;
  }

  /** The CA that all windows share; undefined before the first gateway has made one. */
  async authority(): Promise<AuthorityPems | undefined> {
    const { authorityPems } = await import("../shared/gatewayProtocol.ts");
    const stored = authorityPems.safeParse(parseJson(await this.#secrets.get(authorityKey)));
    return stored.success ? stored.data : undefined;
  }

  async storeAuthority(authority: AuthorityPems): Promise<void> {
    await this.#secrets.store(authorityKey, JSON.stringify(authority));
  }

  /** The proxy's password in this workspace, 256 bits, made at the first call. */
  password(): Promise<string> {
    return this.#ownSecret("onecli.password");
  }

  /** The token of the API in this workspace, 256 bits, made at the first call. */
  apiToken(): Promise<string> {
    return this.#ownSecret("onecli.apiToken");
  }

  async #ownSecret(name: string): Promise<string> {
    const key = `${name}.${await this.workspaceId()}`;
    const stored = z
      .string()
      .min(43)
      .safeParse(await this.#secrets.get(key));
    if (stored.success) {
      return stored.data;
    }
    const secret = randomBytes(32).toString("base64url");
    await this.#secrets.store(key, secret);
    return secret;
  }

  /** The proxy's port of the last time; 0 where there was none. */
  get port(): number {
    return storedPort.parse(this.#workspace.get(portKey));
  }

  async storePort(port: number): Promise<void> {
    await this.#workspace.update(portKey, port);
  }

  /** The API's port of the last time; 0 where there was none. */
  get apiPort(): number {
    return storedPort.parse(this.#workspace.get(apiPortKey));
  }

  async storeApiPort(port: number): Promise<void> {
    await this.#workspace.update(apiPortKey, port);
  }

  /** Names what belongs to this workspace where storage is shared; made at the first call. */
  async workspaceId(): Promise<string> {
    const stored = z.uuid().safeParse(this.#workspace.get(workspaceKey));
    const id = stored.success ? stored.data : randomUUID();
    if (!stored.success) {
      await this.#workspace.update(workspaceKey, id);
    }
    return createHash("sha256").update(id).digest("hex").slice(0, 16);
  }
}

function parseJson(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}
