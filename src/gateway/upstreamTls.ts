// TLS to an upstream, always verified.
import { type TLSSocket } from "node:tls";
import { isOneCliError, OneCliError } from "../core/errors.ts";
import { type Authority } from "../core/hostname.ts";
import { type Dialer } from "./dialer.ts";
import { certificateProblem, type Trust } from "./tlsConnection.ts";

export type Protocol = "h2" | "http/1.1";

/** The upstream speaks none of the protocols that it was offered. */
export class ProtocolRefused extends OneCliError {
  constructor({ host }: Pick<Authority, "host">) {
    super("upstream-unreachable", `${host} does not speak the version of HTTP that it spoke before.`);
  }
}

/**
 * Opens a TLS connection to `authority`.
 * @throws OneCliError `upstream-certificate`, `upstream-unreachable`; the reason of `signal`.
 */
export function dialSecure(
  dialer: Dialer,
  authority: Authority,
  protocols: readonly Protocol[],
  trust: Trust,
  signal: AbortSignal,
): Promise<TLSSocket> {
  return dialer.dialTls(authority, protocols, trust, signal).catch((error: unknown) => {
    throw signal.aborted || isOneCliError(error)
      ? error
      : tlsError(authority, error as NodeJS.ErrnoException);
  });
}

function tlsError({ host }: Authority, error: NodeJS.ErrnoException): OneCliError {
  if (error.code === "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL") {
    return new ProtocolRefused({ host });
  }
  const problem = certificateProblem(error);
  return problem === undefined
    ? new OneCliError("upstream-unreachable", `No TLS connection to ${host} could be made.`, { cause: error })
    : new OneCliError("upstream-certificate", `The certificate of ${host} was refused: ${problem}.`, {
        cause: error,
      });
}
