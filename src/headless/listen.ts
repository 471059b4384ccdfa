// Where the gateway listens, and what it takes to listen beyond this machine.
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { createSecureContext } from "node:tls";
import * as z from "zod";
import { type GatewayEndpoint } from "../core/terminalEnvironment.ts";
import { type ServerIdentity } from "../shared/serverIdentity.ts";
import { readCertificateAndKey, type Surroundings } from "./surroundings.ts";
import { type UsageError } from "./usageError.ts";

export const listenSchema = z.strictObject({
  host: z.string().optional(),
  port: z.int().min(0).max(65_535).optional(),
  tls: z.strictObject({ certificate: z.string().min(1), key: z.string().min(1) }).optional(),
  insecure: z.boolean().optional(),
});

export interface Listen {
  /** An address. */
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** With it, clients speak TLS to the proxy itself. */
  readonly tls: ServerIdentity | undefined;
  /** Beyond loopback without TLS, as the configuration says in so many words. */
  readonly insecure: boolean;
}

/** On 127.0.0.1 for whoever has the gateway's own password, as `run` and the doctor have it. */
export function onLoopback(port: number): Listen {
  return { host: "127.0.0.1", port, tls: undefined, insecure: false };
}

/** @throws UsageError that names the key, and the fix. */
export async function readListen(
  { host: written = "127.0.0.1", port = 0, tls, insecure = false }: z.infer<typeof listenSchema>,
  { read, fail }: Surroundings,
): Promise<Listen> {
  const host = addressOf(written, "listen.host", fail);
  if (tls !== undefined && insecure) {
    throw fail("listen.insecure: is for a proxy without TLS, and listen.tls is there; leave one of them out");
  }
  if (isBeyondLoopback(host) && tls === undefined && !insecure) {
    throw fail(
      `listen.host: ${host} is beyond loopback: set listen.tls (certificate, key), or "insecure": true where passwords may cross the network in clear`,
    );
  }
  return { host, port, insecure, tls: tls && (await readIdentity(tls, { read, fail })) };
}

/** Where the API listens: beyond loopback, it does as the proxy does. @throws UsageError */
export function apiHost(
  written = "127.0.0.1",
  listen: Listen,
  fail: (message: string) => UsageError,
): string {
  const host = addressOf(written, "api.host", fail);
  if (isBeyondLoopback(host) && listen.tls === undefined && !listen.insecure) {
    throw fail(
      `api.host: ${host} is beyond loopback: set listen.tls (certificate, key), which the API uses too, or "insecure": true in listen`,
    );
  }
  return host;
}

function addressOf(written: string, key: string, fail: (message: string) => UsageError): string {
  const host = written === "localhost" ? "127.0.0.1" : written;
  if (isIP(host) === 0) {
    throw fail(
      `${key}: ${JSON.stringify(written)} is no IP address; 0.0.0.0 or :: is every one of this machine`,
    );
  }
  return host;
}

async function readIdentity(
  files: { readonly certificate: string; readonly key: string },
  surroundings: Surroundings,
): Promise<ServerIdentity> {
  const { fail } = surroundings;
  const { certificate, key } = await readCertificateAndKey(files, "listen.tls", surroundings);
  try {
    new X509Certificate(certificate);
  } catch {
    throw fail(`listen.tls.certificate: ${files.certificate} holds no certificate in PEM form`);
  }
  try {
    createSecureContext({ cert: certificate, key });
  } catch {
    throw fail(`listen.tls.key: ${files.key} is no key in PEM form, or not that of the certificate`);
  }
  return { certificate, key };
}

export function isBeyondLoopback(host: string): boolean {
  return !/^127\.|^::1$/.test(host);
}

/**
 * The URL by which clients reach the proxy. Beyond loopback it holds no credential, because each agent has its own; where
 * every address of the machine is listened on, it has the machine's name.
 */
export function listenUrl({ host, tls }: Listen, { port, username, password }: GatewayEndpoint): string {
  const scheme = tls === undefined ? "http" : "https";
  const name = hostInUrl(host);
  const login = isBeyondLoopback(host)
    ? ""
    : `${encodeURIComponent(username)}:${encodeURIComponent(password)}@`;
  return `${scheme}://${login}${name}:${port}`;
}

/** Where every address of the machine is listened on, the machine's name. */
export function hostInUrl(host: string): string {
  return /^(0\.0\.0\.0|[0:]+)$/.test(host) ? hostname() : host.includes(":") ? `[${host}]` : host;
}
