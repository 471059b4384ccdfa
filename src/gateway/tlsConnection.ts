import { type Socket, type TcpNetConnectOpts } from "node:net";
import {
  connect,
  type ConnectionOptions,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
} from "node:tls";
import { type Authority, withoutBrackets } from "../core/hostname.ts";
import { orAbandon } from "./orAbandon.ts";
import { openReusing } from "./readBuffers.ts";

/** All that certificates of servers are verified against. */
export class Trust {
  readonly #roots: readonly string[];
  #context: SecureContext | undefined;

  /** @param roots PEM. */
  constructor(roots: readonly string[]) {
    this.#roots = roots;
  }

  /** Made at first use and then shared: parsing some hundred certificates takes tens of milliseconds. */
  get context(): SecureContext {
    return (this.#context ??= createSecureContext({ ca: [...this.#roots] }));
  }
}

/**
 * Speaks TLS to a host over a connection that leads to it, which is destroyed where that fails.
 * @throws Error of Node with its code, which {@link certificateProblem} explains; the reason of `signal`.
 */
export function startTls(
  connection: Socket,
  authority: Host,
  protocols: readonly string[],
  trust: Trust,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const socket = connect({ ...tlsOptions(authority, protocols, trust), socket: connection });
  return orAbandon(connection, signal, secured(socket));
}

/** Begins to connect to a host and to speak TLS to it. Either side may finish first. */
export function openTls(authority: Authority, protocols: readonly string[], trust: Trust): TLSSocket {
  return openReusing((onread) => {
    const options: ConnectionOptions & TcpNetConnectOpts = {
      ...tlsOptions(authority, protocols, trust),
      port: authority.port,
      allowHalfOpen: true,
      noDelay: true,
      onread,
    };
    return connect(options);
  });
}

/** @throws Error of Node */
export function secured(socket: TLSSocket): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    // For good: a connection that another one is built upon has no other listener.
    socket.on("error", reject);
    socket.once("secureConnect", () => resolve(socket));
  });
}

type Host = Pick<Authority, "host" | "isAddress">;

function tlsOptions({ host, isAddress }: Host, protocols: readonly string[], trust: Trust) {
  const name = withoutBrackets(host);
  return {
    host: name,
    // An address is no server name (RFC 6066 §3); it is checked against the certificate by `host`.
    ...(!isAddress && { servername: name }),
    secureContext: trust.context,
    ALPNProtocols: [...protocols],
    // Explicit, because NODE_TLS_REJECT_UNAUTHORIZED=0 would turn the default off.
    rejectUnauthorized: true,
  };
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

/** What is wrong with a certificate ("it has expired"), where that is why TLS failed. */
export function certificateProblem(error: unknown): string | undefined {
  return certificateProblems[(error as NodeJS.ErrnoException).code ?? ""];
}
