// A private certificate authority and the leaves it signs. Nothing but the terminals' variables makes a tool trust it,
// and it signs for no host that is not mapped.
import "reflect-metadata"; // @peculiar/x509 needs it before its own import
import { randomBytes, webcrypto } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { withoutBrackets } from "../core/hostname.ts";
import { type AuthorityPems } from "../shared/gatewayProtocol.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A certificate for one host, to present in its place. PEM; the chain is leaf, then authority. */
export interface Leaf {
  readonly key: string;
  readonly certificate: string;
}

const minute = 60_000;
const day = 24 * 60 * minute;
/** Clocks of other machines and containers run a little behind. */
const backdating = 5 * minute;
const authorityLifetime = 3_650 * day;
const leafLifetime = 7 * day;
/** Milliseconds for which a leaf may be presented: it is replaced while it is still good for a day. */
export const leafUse = leafLifetime - day;
/** An authority that would not outlive the leaves of the next month is replaced at the next start. */
const authorityRenewal = 30 * day;

/** Makes a new authority: P-256, ten years, its own subject so that two of them in one bundle are told apart. */
export async function createAuthority(now = Date.now()): Promise<AuthorityPems> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ O: ["OneCLI"] }, { CN: [`OneCLI local CA ${randomBytes(4).toString("hex")}`] }],
    notBefore: new Date(now - backdating),
    notAfter: new Date(now + authorityLifetime),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { certificate: pem(certificate), privateKey: `${PemConverter.encode(key, "PRIVATE KEY")}\n` };
}

/** The time of an authority is over: another has to take its place. */
export class AuthorityExpiredError extends Error {
  constructor() {
    super("the CA certificate has expired or is about to");
    this.name = "AuthorityExpiredError";
  }
}

export class CertificateAuthority {
  readonly certificate: string;
  readonly #issuer: X509Certificate;
  readonly #issuerKey: webcrypto.CryptoKey;
  /** One key for all leaves of a run: whoever could take it from this process could take the authority's. */
  readonly #leafKeys: webcrypto.CryptoKeyPair;
  readonly #leafKeyPem: string;

  private constructor(
    issuer: X509Certificate,
    issuerKey: webcrypto.CryptoKey,
    leafKeys: webcrypto.CryptoKeyPair,
    leafKeyPem: string,
  ) {
    this.certificate = pem(issuer);
    this.#issuer = issuer;
    this.#issuerKey = issuerKey;
    this.#leafKeys = leafKeys;
    this.#leafKeyPem = leafKeyPem;
  }

  /**
   * @throws AuthorityExpiredError where the certificate is no longer valid for a month; Error where the PEMs are
   *   unreadable or do not belong together.
   */
  static async open(pems: AuthorityPems, now = Date.now()): Promise<CertificateAuthority> {
    const issuer = new X509Certificate(pems.certificate);
    const pkcs8 = PemConverter.decodeFirst(pems.privateKey);
    const issuerKey = await webcrypto.subtle.importKey("pkcs8", pkcs8, algorithm, false, ["sign"]);
    if (issuer.notAfter.getTime() < now + authorityRenewal) {
      throw new AuthorityExpiredError();
    }
    const leafKeys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const leafKeyPem = PemConverter.encode(
      await webcrypto.subtle.exportKey("pkcs8", leafKeys.privateKey),
      "PRIVATE KEY",
    );
    const authority = new CertificateAuthority(issuer, issuerKey, leafKeys, leafKeyPem);
    const probe = new X509Certificate(await authority.#sign("authority.invalid", false, now));
    if (!(await probe.verify({ publicKey: issuer.publicKey, signatureOnly: true }))) {
      throw new Error("the CA key does not belong to the CA certificate");
    }
    return authority;
  }

  /** Signs a leaf for a host (canonical form; IPv6 in brackets). */
  async leafFor(host: string, isAddress: boolean): Promise<Leaf> {
    const certificate = await this.#sign(host, isAddress, Date.now());
    return { key: this.#leafKeyPem, certificate: certificate + this.certificate };
  }

  async #sign(host: string, isAddress: boolean, now: number): Promise<string> {
    const name = isAddress ? withoutBrackets(host) : host;
    const certificate = await X509CertificateGenerator.create({
      serialNumber: serialNumber(),
      issuer: this.#issuer.subject,
      // A common name has room for 64 characters (RFC 5280, ub-common-name); clients read the SAN.
      subject: [{ CN: [name.length <= 64 ? name : "OneCLI"] }],
      notBefore: new Date(now - backdating),
      notAfter: new Date(now + leafLifetime),
      signingKey: this.#issuerKey,
      publicKey: this.#leafKeys.publicKey,
      signingAlgorithm: algorithm,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
        new SubjectAlternativeNameExtension([{ type: isAddress ? "ip" : "dns", value: name }]),
        await SubjectKeyIdentifierExtension.create(this.#leafKeys.publicKey),
        // Some clients refuse a leaf without it.
        await AuthorityKeyIdentifierExtension.create(this.#issuer.publicKey),
      ],
    });
    return pem(certificate);
  }
}

function pem(certificate: X509Certificate): string {
  return `${certificate.toString("pem")}\n`;
}

/** 127 random bits, positive (RFC 5280 §4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}
