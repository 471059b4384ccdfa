// TLS to an upstream, always verified.
import { type Socket } from "node:net";
import { connect, type SecureContext, type TLSSocket } from "node:tls";
import { OneCliError } from "../core/errors.ts";
import { type Authority, withoutBrackets } from "../core/hostname.ts";

export type Protocol = "h2" | "http/1.1";

/** The upstream speaks none of the protocols that it was offered. */
export class ProtocolRefused extends OneCliError {
  constructor({ host }: Pick<Authority, "host">) {
    super("upstream-unreachable", `${host} does not speak the version of HTTP that it spoke before.`);
  }
}

/**
 * Makes TLS of a connection to `authority`.
 * @throws OneCliError `upstream-certificate`, `upstream-unreachable`; the reason of `signal`.
 */
export function secure(
  raw: Socket,
  authority: Authority,
  protocols: readonly Protocol[],
  secureContext: SecureContext,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const name = withoutBrackets(authority.host);
  return new Promise((resolve, reject) => {
    const socket = connect({
      socket: raw,
      host: name,
      // An address is no server name (RFC 6066 §3); it is checked against the certificate by `host`.
      ...(!authority.isAddress && { servername: name }),
      secureContext,
      ALPNProtocols: [...protocols],
      // Explicit, because NODE_TLS_REJECT_UNAUTHORIZED=0 would turn the default off.
      rejectUnauthorized: true,
    });
    const abandon = () => socket.destroy(signal.reason as Error);
    signal.addEventListener("abort", abandon, { once: true });
    const onError = (error: NodeJS.ErrnoException) => {
      signal.removeEventListener("abort", abandon);
      raw.destroy();
      reject(error === signal.reason ? error : tlsError(authority, error));
    };
    socket.once("error", onError);
    socket.once("secureConnect", () => {
      signal.removeEventListener("abort", abandon);
      socket.off("error", onError);
      resolve(socket);
    });
  });
}

const certificateProblems: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "it has expired",
  CERT_NOT_YET_VALID: "it is not valid yet",
  CERT_REVOKED: "it has been revoked",
  ERR_TLS_CERT_ALTNAME_INVALID: "it is for another host name",
  DEPTH_ZERO_SELF_SIGNED_CERT: "it is self-signed, so its issuer is unknown",
  SELF_SIGNED_CERT_IN_CHAIN: "its chain ends in an unknown, self-signed issuer",
  UNABLE_TO_GET_ISSUER_CERT: "its issuer is unknown",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its issuer is unknown",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its issuer is unknown",
  CERT_UNTRUSTED: "its issuer is not trusted",
  CERT_SIGNATURE_FAILURE: "its signature is wrong",
  INVALID_CA: "its issuer is no certificate authority",
  INVALID_PURPOSE: "it is not meant for servers",
};

function tlsError({ host }: Authority, error: NodeJS.ErrnoException): OneCliError {
  if (error.code === "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL") {
    return new ProtocolRefused({ host });
  }
  const problem = certificateProblems[error.code ?? ""];
  return problem === undefined
    ? new OneCliError("upstream-unreachable", `No TLS connection to ${host} could be made.`, { cause: error })
    : new OneCliError("upstream-certificate", `The certificate of ${host} was refused: ${problem}.`, {
        cause: error,
      });
}
