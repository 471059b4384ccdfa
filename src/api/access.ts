// Who may ask the API at all, decided by the head of the request alone.
import { createHash, timingSafeEqual } from "node:crypto";
import { type IncomingMessage } from "node:http";
import { OneCliError } from "../core/errors.ts";
import { HostnameError, parseAuthority } from "../core/hostname.ts";

const loopbackNames: readonly string[] = ["127.0.0.1", "localhost", "[::1]"];

/**
 * A web page can send requests to this machine: by a form or a script, which browsers mark with `Origin`, or by a name of
 * its own that it has made to lead here, which shows in `Host` (DNS rebinding).
 * @throws OneCliError `origin-not-allowed`, `host-not-allowed`, `bad-request`
 */
export function refuseWebPages(
  { headers, headersDistinct, socket }: IncomingMessage,
  hosts: readonly string[],
): void {
  refuseOrigin(headers.origin);
  if ((headersDistinct["host"]?.length ?? 0) > 1) {
    throw new OneCliError("bad-request", "The request has more than one Host field.");
  }
  const name = hostName(headers.host);
  if (name === undefined || ![...loopbackNames, ...hosts, addressName(socket.localAddress)].includes(name)) {
    throw new OneCliError("host-not-allowed", "The Host field names no host that the API answers for.");
  }
}

/** The address that the client has connected to: whoever names that was not led here by another name. */
function addressName(address = ""): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, "");
  return plain.includes(":") ? `[${plain}]` : plain;
}

/** @throws OneCliError `origin-not-allowed` */
export function refuseOrigin(origin: string | undefined): void {
  if (origin !== undefined) {
    throw new OneCliError("origin-not-allowed", "The request comes from a web page.");
  }
}

function hostName(field: string | undefined): string | undefined {
  try {
    return parseAuthority(field ?? "", 80).host;
  } catch (error) {
    if (error instanceof HostnameError) {
      return undefined;
    }
    throw error;
  }
}

/** @throws OneCliError `unauthorized` */
export function requireToken({ headers }: IncomingMessage, token: string): void {
  const [, given] = /^bearer +([\w.~+/=-]+) *$/i.exec(headers.authorization ?? "") ?? [];
  if (given === undefined) {
    throw new OneCliError("unauthorized", "The request has no bearer token.");
  }
  if (!timingSafeEqual(digest(given), digest(token))) {
    throw new OneCliError("unauthorized", "The bearer token is not the API's.");
  }
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
