import { createCipheriv, createDecipheriv, constants, publicEncrypt, randomBytes } from "node:crypto";
import type { KeyObject } from "node:crypto";

const contentType = "b5+jwk+json";
const tagLength = 16;

/** How 1Password wraps a piece of encrypted JSON. `iv` is there for AES only. */
export interface Envelope {
  readonly cty: string;
  readonly kid: string;
  readonly enc: "A256GCM" | "RSA-OAEP";
  readonly iv?: string;
  readonly data: string;
}

export function sealWithAes(key: Uint8Array, kid: string, content: unknown): Envelope {
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  const data = Buffer.concat([
    cipher.update(JSON.stringify(content), "utf8"),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  return {
    cty: contentType,
    kid,
    enc: "A256GCM",
    iv: iv.toString("base64url"),
    data: data.toString("base64url"),
  };
}

export function openWithAes(key: Uint8Array, envelope: Envelope): unknown {
  const data = Buffer.from(envelope.data, "base64url");
  const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(envelope.iv ?? "", "base64url"));
  decipher.setAuthTag(data.subarray(-tagLength));
  const content = Buffer.concat([decipher.update(data.subarray(0, -tagLength)), decipher.final()]);
  return JSON.parse(content.toString("utf8"));
}

export function sealWithRsa(key: KeyObject, kid: string, content: unknown): Envelope {
  const options = { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha1" };
  const data = publicEncrypt(options, Buffer.from(JSON.stringify(content)));
  return { cty: contentType, kid, enc: "RSA-OAEP", data: data.toString("base64url") };
}

export function aesJwk(key: Uint8Array, kid: string): Record<string, unknown> {
  const k = Buffer.from(key).toString("base64url");
  return { kty: "oct", alg: "A256GCM", kid, k, ext: true, key_ops: ["encrypt", "decrypt"] };
}

/** An id as the SDK accepts it: 16 bytes in lower-case base32, 26 characters, the two spare bits zero. */
export function newId(): string {
  const bits = Array.from(randomBytes(16), (byte) => byte.toString(2).padStart(8, "0")).join("");
  return `${bits}00`.replaceAll(/.{5}/g, (five) =>
    "abcdefghijklmnopqrstuvwxyz234567".charAt(Number.parseInt(five, 2)),
  );
}
