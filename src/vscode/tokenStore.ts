// The Service Account token at rest: sealed with a key that lies in a file, in an envelope that lies in SecretStorage.
// Neither half alone opens it.
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Disposable, SecretStorage } from "vscode";
import { z } from "zod";
import type { Logger } from "../core/ports.ts";

const storageKey = "onecli.account";
const keyFileName = "account.key";
const keyLength = 32;

const envelope = z.strictObject({
  version: z.literal(1),
  algorithm: z.literal("AES-256-GCM"),
  iv: z.base64(),
  tag: z.base64(),
  data: z.base64(),
});

/** Binds an envelope to its purpose: it opens nothing else. */
const purpose = Buffer.from("onecli service account token v1");

export class TokenStore {
  readonly #secrets: SecretStorage;
  readonly #folder: string;
  readonly #logger: Logger;

  /** @param folder the extension's global storage on the machine it runs on. */
  constructor(secrets: SecretStorage, folder: string, logger: Logger) {
    this.#secrets = secrets;
    this.#folder = folder;
    this.#logger = logger;
  }

  /** @throws Error where the key file or the envelope cannot be written. */
  async store(token: string): Promise<void> {
    const key = await this.#makeKey();
    const iv = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(purpose);
    const data = Buffer.concat([cipher.update(token, "utf8"), cipher.final()]);
    const sealed: z.infer<typeof envelope> = {
      version: 1,
      algorithm: "AES-256-GCM",
      iv: iv.toString("base64"),
      tag: cipher.getAuthTag().toString("base64"),
      data: data.toString("base64"),
    };
    await this.#secrets.store(storageKey, JSON.stringify(sealed));
  }

  /** The token; undefined where there is none, or none that can be opened any more: then it has to be asked for. */
  async read(): Promise<string | undefined> {
    const stored = await this.#secrets.get(storageKey);
    if (stored === undefined) {
      return undefined;
    }
    try {
      const { iv, tag, data } = envelope.parse(JSON.parse(stored));
      const key = await readFile(this.#keyFile);
      const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(iv, "base64"))
        .setAAD(purpose)
        .setAuthTag(Buffer.from(tag, "base64"));
      return Buffer.concat([decipher.update(data, "base64"), decipher.final()]).toString("utf8");
    } catch {
      this.#logger.warn("The stored token cannot be opened any more; 1Password has to be connected again.");
      return undefined;
    }
  }

  /** Removes both halves. */
  async delete(): Promise<void> {
    await this.#secrets.delete(storageKey);
    await rm(this.#keyFile, { force: true });
  }

  /** Another window has connected or disconnected, or this one has. */
  onDidChange(listener: () => void): Disposable {
    return this.#secrets.onDidChange(({ key }) => {
      if (key === storageKey) {
        listener();
      }
    });
  }

  get #keyFile(): string {
    return join(this.#folder, keyFileName);
  }

  /** The key, made if there is none: windows that connect at the same time end with one. */
  async #makeKey(): Promise<Buffer> {
    await mkdir(this.#folder, { recursive: true });
    try {
      const key = randomBytes(keyLength);
      await writeFile(this.#keyFile, key, { mode: 0o600, flag: "wx" });
      return key;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
        throw error;
      }
    }
    const key = await readFile(this.#keyFile);
    if (key.length === keyLength) {
      return key;
    }
    await rm(this.#keyFile);
    return this.#makeKey();
  }
}
