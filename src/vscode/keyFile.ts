// Texts at rest: sealed with a key that lies in a file, in an envelope that lies elsewhere. Neither half alone opens it.
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import * as z from "zod";

const keyLength = 32;
const version = 1;

/** A key that is too short so often, at this interval in milliseconds, is damaged. */
const damageAttempts = 20;
const damageInterval = 50;

const envelope = z.strictObject({
  version: z.literal(version),
  algorithm: z.literal("AES-256-GCM"),
  iv: z.base64(),
  tag: z.base64(),
  data: z.base64(),
});

const laterEnvelope = z.looseObject({ version: z.int().min(version + 1) });

export type Opened =
  | { readonly kind: "opened"; readonly text: string }
  /** Sealed by a later version of this extension. */
  | { readonly kind: "future" }
  /** No envelope, or none of this key and this purpose. */
  | { readonly kind: "unopenable" };

/** A key of AES-256-GCM in a file of mode 0600, made at the first use. */
export class KeyFile {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * @param purpose binds the envelope: it opens for nothing else.
   * @throws Error where the key cannot be written.
   */
  async seal(text: string, purpose: string): Promise<string> {
    const key = await this.#makeKey();
    const iv = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(purpose));
    const data = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
    const sealed: z.infer<typeof envelope> = {
      version,
      algorithm: "AES-256-GCM",
      iv: iv.toString("base64"),
      tag: cipher.getAuthTag().toString("base64"),
      data: data.toString("base64"),
    };
    return JSON.stringify(sealed);
  }

  async open(sealed: string, purpose: string): Promise<Opened> {
    try {
      const json: unknown = JSON.parse(sealed);
      if (laterEnvelope.safeParse(json).success) {
        return { kind: "future" };
      }
      const { iv, tag, data } = envelope.parse(json);
      const decipher = createDecipheriv("aes-256-gcm", await readFile(this.#file), Buffer.from(iv, "base64"))
        .setAAD(Buffer.from(purpose))
        .setAuthTag(Buffer.from(tag, "base64"));
      const text = Buffer.concat([decipher.update(data, "base64"), decipher.final()]).toString("utf8");
      return { kind: "opened", text };
    } catch {
      return { kind: "unopenable" };
    }
  }

  /** Removes the key: what it sealed stays closed. */
  async delete(): Promise<void> {
    await rm(this.#file, { force: true });
  }

  /** The key, made if there is none: windows that seal at the same time end with one. */
  async #makeKey(): Promise<Buffer> {
    await mkdir(dirname(this.#file), { recursive: true });
    try {
      const key = randomBytes(keyLength);
      await writeFile(this.#file, key, { mode: 0o600, flag: "wx" });
      return key;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
        throw error;
      }
    }
    for (let attempt = 0; attempt < damageAttempts; attempt++) {
      const key = await readFile(this.#file);
      if (key.length === keyLength) {
        return key;
      }
      // Another window may be writing it.
      await delay(damageInterval);
    }
    await rm(this.#file, { force: true });
    return this.#makeKey();
  }
}
