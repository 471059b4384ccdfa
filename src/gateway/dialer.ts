// The way to a host: straight, or through the parent proxy.
import { connect, type Socket, type TcpNetConnectOpts } from "node:net";
import { type TLSSocket } from "node:tls";
import { OneCliError } from "../core/errors.ts";
import { type Authority, withoutBrackets } from "../core/hostname.ts";
import { connectByHttp } from "./httpConnect.ts";
import { type NoProxy } from "./noProxy.ts";
import { orAbandon } from "./orAbandon.ts";
import { type ParentProxy, titleOf } from "../core/parentProxy.ts";
import { openReusing } from "./readBuffers.ts";
import { connectBySocks } from "./socks5.ts";
import { certificateProblem, openTls, secured, startTls, type Trust } from "./tlsConnection.ts";

interface DialerOptions {
  readonly parentProxy: ParentProxy | undefined;
  readonly noProxy: NoProxy;
  /** What the certificate of an https parent is verified against. */
  readonly trust: Trust;
  /** Ports of this machine that are not for those who come through the proxy. */
  readonly closedPorts?: ReadonlySet<number>;
}

export class Dialer {
  readonly #options: DialerOptions;

  constructor(options: DialerOptions) {
    this.#options = options;
  }

  /** The parent proxy through which a host is reached; none where it is dialled straight. */
  parentFor(authority: Authority): ParentProxy | undefined {
    const { parentProxy, noProxy } = this.#options;
    return parentProxy === undefined || noProxy.covers(authority) ? undefined : parentProxy;
  }

  /** The parent proxy that takes a plain http request for a host in absolute-form (RFC 9112 §3.2.2). */
  forwarderFor(authority: Authority): ParentProxy | undefined {
    const parent = this.parentFor(authority);
    return parent?.kind === "socks5" ? undefined : parent;
  }

  /**
   * Opens a TCP connection to a host, or the like through its parent proxy. Either side may finish first.
   * @throws OneCliError `upstream-unreachable`; the reason of `signal`, and then nothing is left open.
   */
  async dial(authority: Authority, signal: AbortSignal): Promise<Socket> {
    const parent = this.parentFor(authority);
    if (parent === undefined) {
      const socket = openReusing((onread) => connect({ ...straightTo(authority), onread }));
      return connected(socket, authority, signal, this.#options.closedPorts);
    }
    const connection = await this.dialParent(parent, signal);
    const opened =
      parent.kind === "socks5"
        ? connectBySocks(connection, parent.login, authority)
        : connectByHttp(connection, parent, authority);
    return orAbandon(connection, signal, opened);
  }

  /**
   * Opens a TLS connection to a host. Either side may finish first.
   * @throws as {@link dial} where nothing leads to the host, otherwise as {@link startTls}
   */
  async dialTls(
    authority: Authority,
    protocols: readonly string[],
    trust: Trust,
    signal: AbortSignal,
  ): Promise<TLSSocket> {
    if (this.parentFor(authority) !== undefined) {
      return startTls(await this.dial(authority, signal), authority, protocols, trust, signal);
    }
    const socket = openTls(authority, protocols, trust);
    const securing = secured(socket);
    // Where the host is not even reached, the other one tells.
    securing.catch(() => undefined);
    await connected(socket, authority, signal, this.#options.closedPorts);
    return orAbandon(socket, signal, securing);
  }

  /** Opens a connection to the parent proxy itself. @throws as {@link dial} */
  async dialParent(parent: ParentProxy, signal: AbortSignal): Promise<Socket> {
    const connection = await connected(connect(straightTo(parent)), parent, signal).catch(
      (error: unknown) => {
        throw signal.aborted ? error : unreachable(parent, error);
      },
    );
    if (parent.kind !== "https") {
      return connection;
    }
    return startTls(connection, parent, ["http/1.1"], this.#options.trust, signal).catch((error: unknown) => {
      throw signal.aborted ? error : insecure(parent, error);
    });
  }
}

function straightTo({ host, port }: Authority): TcpNetConnectOpts {
  // Either side may finish first; a tunnel must carry the other direction on.
  return { host: withoutBrackets(host), port, allowHalfOpen: true, noDelay: true };
}

function connected(
  socket: Socket,
  { host, port }: Authority,
  signal: AbortSignal,
  closedPorts?: ReadonlySet<number>,
): Promise<Socket> {
  const reached = new Promise<Socket>((resolve, reject) => {
    socket.once("error", (cause: NodeJS.ErrnoException) => {
      const message = `${host} cannot be reached: ${explain(cause)}.`;
      reject(new OneCliError("upstream-unreachable", message, { cause }));
    });
    // Before TLS, where that is spoken, sends its first word.
    socket.prependOnceListener("connect", () => {
      if (closedPorts?.has(port) === true && isOnThisMachine(socket)) {
        socket.destroy();
        reject(new OneCliError("upstream-unreachable", `Port ${port} of this machine is not for the proxy.`));
      } else {
        resolve(socket);
      }
    });
  });
  return orAbandon(socket, signal, reached);
}

/** Asked of the connection and not of the name, which may lead anywhere. */
function isOnThisMachine({ localAddress, remoteAddress = "" }: Socket): boolean {
  return remoteAddress === localAddress || /^(::ffff:)?127\./.test(remoteAddress);
}

function unreachable(parent: ParentProxy, error: unknown): OneCliError {
  const cause = error instanceof OneCliError ? error.cause : error;
  const where = `${parent.host}:${parent.port}, ${explain(cause as NodeJS.ErrnoException)}`;
  return new OneCliError("upstream-unreachable", `The ${titleOf(parent)} cannot be reached (${where}).`, {
    cause,
  });
}

function insecure(parent: ParentProxy, cause: unknown): OneCliError {
  const problem = certificateProblem(cause);
  if (problem === undefined) {
    const message = `No TLS connection to the ${titleOf(parent)} could be made: is it one of the kind https?`;
    return new OneCliError("upstream-unreachable", message, { cause });
  }
  const advice = problem.includes("issuer") ? " (name its authority in extraCaCertificates)" : "";
  const message = `The ${titleOf(parent)}'s certificate was refused: ${problem}${advice}.`;
  return new OneCliError("upstream-unreachable", message, { cause });
}

const explanations: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was reset",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  ENOTFOUND: "the name does not resolve",
  EAI_AGAIN: "the name cannot be resolved at the moment",
  ETIMEDOUT: "no answer",
};

function explain(error: NodeJS.ErrnoException): string {
  return explanations[error.code ?? ""] ?? "the connection failed";
}
