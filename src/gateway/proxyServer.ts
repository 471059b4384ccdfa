// The listener that agents' proxy variables point at:
//   CONNECT mapped host    -> 200, then the interceptor
//   CONNECT any other host -> dialled first, 200 or 502, then bytes
//   http://  mapped host   -> 403
//   http://  other host    -> forwarded
//   onecli.internal        -> answered here, never passed on
// proxy-chain owns the listener, the CONNECT handshake and the register of its connections.
import { type IncomingMessage, type ServerResponse } from "node:http";
import { type Socket } from "node:net";
import { type TlsOptions, Server as TlsServer } from "node:tls";
import { type PrepareRequestFunctionResult, Server } from "proxy-chain";
import { isOneCliError, OneCliError, toOneCliError } from "../core/errors.ts";
import { type Authority, HostnameError, httpsPort, parseAuthority } from "../core/hostname.ts";
import { isInternal } from "../core/internalSite.ts";
import { type Logger } from "../core/ports.ts";
import { type ServerIdentity } from "../shared/serverIdentity.ts";
import { closeWithError, lingerThenDestroy, sendError } from "./answers.ts";
import { connectionEvent, connectionKey, Connections, headLimits, type HeadLimits } from "./connections.ts";
import { type Admission, type Agent, type Credentials } from "./credentials.ts";
import { Exchange, type ExchangeOrigin, type ExchangeServices } from "./exchange.ts";
import { handOffTo } from "./handoff.ts";
import { ListenerDownstream, type TakeSocket } from "./listenerDownstream.ts";
import { type Interceptor } from "./interceptor.ts";
import { type InternalSite } from "./internalSite.ts";
import { clientErrorOf, maxHeaderBytes } from "./requestParsing.ts";
import { Tunnels } from "./tunnels.ts";
import { onUpgrade } from "./upgrades.ts";

const realm = "OneCLI";
const challenge = ["proxy-authenticate", `Basic realm="${realm}"`];

export interface ProxyServerOptions {
  /** Address to listen on. */
  readonly host: string;
  readonly port: number;
  /** With it, clients speak TLS to the proxy itself. */
  readonly tls?: ServerIdentity | undefined;
  readonly credentials: Credentials;
  readonly interceptor: Interceptor;
  /** Absent: onecli.internal is a host like any other. */
  readonly internalSite: InternalSite | undefined;
  readonly services: ExchangeServices;
  readonly logger: Logger;
  readonly limits?: Partial<HeadLimits>;
}

export class ProxyServer extends Server {
  readonly tunnels: Tunnels;
  readonly #credentials: Credentials;
  /** What let a connection in, once it was let in. */
  readonly #admitted = new WeakMap<Socket, Admission>();
  /** Connections whose TLS is not agreed on yet. */
  readonly #handshakes = new Map<string, Socket>();
  readonly #interceptor: Interceptor;
  readonly #internalSite: InternalSite | undefined;
  readonly #services: ExchangeServices;
  readonly #logger: Logger;
  readonly #heads: Connections;
  #closed: Promise<void> | undefined;

  constructor(options: ProxyServerOptions) {
    const { host, port, tls, credentials, interceptor, internalSite, services, logger, limits } = options;
    const common = { port, host, authRealm: realm };
    super(
      tls === undefined
        ? common
        : { ...common, serverType: "https", httpsOptions: { ...listenerTls(tls, limits), noDelay: true } },
    );
    this.#credentials = credentials;
    this.#interceptor = interceptor;
    this.#internalSite = internalSite;
    this.#services = services;
    this.#logger = logger;
    this.tunnels = new Tunnels(services.activity);
    this.#heads = new Connections(limits);
    const { server } = this;
    // Properties of every http.Server that the types leave out; proxy-chain creates the server without options. The
    // Host field of an absolute target counts for nothing (RFC 9112 §3.2.2).
    Object.assign(server, { maxHeaderSize: maxHeaderBytes, requireHostHeader: false });
    server.maxHeadersCount = 0;
    server.requestTimeout = 0;
    server.headersTimeout = 0;
    server.keepAliveTimeout = 0;
    server.on(connectionEvent(server), (socket: Socket) => this.#heads.add(socket));
    if (tls !== undefined) {
      // Before the TLS socket is made, which takes over what the raw one is.
      server.prependListener("connection", (socket: Socket) => this.#awaitHandshake(socket));
      server.prependListener("secureConnection", (socket: Socket) => {
        this.#handshakes.delete(connectionKey(socket));
        socket.allowHalfOpen = true;
      });
    }
    server.on("checkExpectation", (request, response) => void this.onRequest(request, response));
    onUpgrade(server, this.#heads, (request, response, takeSocket) => {
      this.#answer(request, response, takeSocket);
    });
  }

  override async listen(): Promise<void> {
    await super.listen();
    // proxy-chain listens for errors only until here; without a listener a later one would end the process.
    this.server.on("error", (error: NodeJS.ErrnoException) => {
      this.#logger.error(`The listener failed (${error.code ?? "no code"}).`);
    });
  }

  /** For connections to come; those that are open keep what they were shown. */
  setIdentity(identity: ServerIdentity): void {
    const { server } = this;
    if (server instanceof TlsServer) {
      server.setSecureContext(listenerTls(identity));
    }
  }

  /** Takes effect at once: whatever was let in by a credential that is gone is closed. */
  setAgents(agents: readonly Agent[]): void {
    const gone = this.#credentials.setAgents(agents);
    for (const socket of this.connections.values()) {
      const admission = this.#admitted.get(socket);
      if (admission !== undefined && gone.has(admission)) {
        socket.destroy();
      }
    }
  }

  /** No new connections; idle ones are closed, busy ones after their answer. Fulfilled when no request is under way. */
  drain(): Promise<void> {
    const { server } = this;
    this.#closed = new Promise((resolve) => server.close(() => resolve()));
    this.#handshakes.forEach((socket) => socket.destroy());
    return this.#heads.drain();
  }

  /** After {@link drain}: closes every connection and is fulfilled when the listener is gone. */
  async closeAll(): Promise<void> {
    this.tunnels.destroyAll();
    this.closeConnections();
    await this.#closed;
  }

  override onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    if (socket.writable) {
      this.#heads.requestStarted(socket, request);
      response.once("close", () => this.#heads.requestEnded(socket));
      this.#answer(request, response);
    } else {
      lingerThenDestroy(socket);
    }
    return Promise.resolve();
  }

  #answer(request: IncomingMessage, response: ServerResponse, takeSocket?: TakeSocket): void {
    try {
      const agent = this.#authenticate(request);
      const { authority, path } = plainTarget(request.url ?? "");
      if (this.#internalSite !== undefined && isInternal(authority.host)) {
        void this.#internalSite.answer(authority, path, request, response);
        return;
      }
      const client = new ListenerDownstream(request, response, takeSocket);
      const exchange = new Exchange(client, { authority, agent }, this.#services);
      exchange.forwardPlain(path, this.#isMapped(authority));
    } catch (error) {
      const refusal = toOneCliError(error);
      if (isOneCliError(refusal, "proxy-authentication-required")) {
        response.setHeader("proxy-authenticate", challenge[1] ?? "");
      }
      sendError(response, refusal);
    }
  }

  /** proxy-chain puts back what came with the CONNECT after the dial; if the client has finished by then, it fails. */
  override onConnect(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    socket.unshift(head);
    return super.onConnect(request, socket, Buffer.alloc(0));
  }

  /** Authenticates a CONNECT and decides where it leads. */
  override async callPrepareRequestFunction(request: IncomingMessage): Promise<PrepareRequestFunctionResult> {
    const { socket } = request;
    const agent = this.#authenticate(request);
    if (this.#services.isStopping()) {
      throw new OneCliError("gateway-stopping", "The gateway is stopping.");
    }
    const authority = connectTarget(request.url ?? "");
    const origin = { authority, agent };
    this.#heads.release(socket);
    if (this.#internalSite !== undefined && isInternal(authority.host)) {
      const run = this.#internalSite.runOf(authority);
      return { customConnectServer: handOffTo((client) => run.accept(client, origin)) };
    }
    if (this.#services.credentialFor(authority) !== undefined) {
      return { customConnectServer: handOffTo((client) => void this.#interceptor.accept(client, origin)) };
    }
    const startedAt = performance.now();
    const target = await this.#dial(socket, origin, startedAt);
    const take = (client: Socket) => {
      if (this.#services.credentialFor(authority) === undefined) {
        this.tunnels.join(client, target, origin, startedAt);
      } else {
        // Mapped while it was dialled.
        target.destroy();
        void this.#interceptor.accept(client, origin);
      }
    };
    return { customConnectServer: handOffTo(take) };
  }

  /** Opens the other end of a tunnel; it closes with the client, whenever that leaves. */
  async #dial(client: Socket, origin: ExchangeOrigin, startedAt: number): Promise<Socket> {
    const gone = new AbortController();
    client.once("close", () => gone.abort(new OneCliError("upstream-unreachable", "The client left.")));
    try {
      const target = await this.#services.upstream.tunnel(origin.authority, gone.signal);
      gone.signal.addEventListener("abort", () => target.destroy(), { once: true });
      // Until the tunnel takes care of it: a target may accept and reset at once.
      target.on("error", () => target.destroy());
      return target;
    } catch (error) {
      const refusal = toOneCliError(error);
      this.tunnels.recordFailure(origin, gone.signal.aborted ? undefined : refusal, startedAt);
      throw refusal;
    }
  }

  override failRequest(request: IncomingMessage, error: Error & { statusCode?: number }): void {
    // A status of proxy-chain's own is always about a target that it could not read.
    const refusal =
      error.statusCode === undefined
        ? toOneCliError(error)
        : new OneCliError("bad-request", "The target of CONNECT is no host:port.");
    if (refusal.code === "internal") {
      this.#logger.error("A CONNECT failed.", error.name);
    }
    const isChallenge = isOneCliError(refusal, "proxy-authentication-required");
    closeWithError(request.socket, refusal, isChallenge ? challenge : undefined);
  }

  override onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const refusal = clientErrorOf(error);
    if (refusal === undefined || this.#heads.isBusy(socket)) {
      socket.destroy();
    } else {
      closeWithError(socket, refusal);
    }
  }

  override onTLSClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    if (error.code === "ERR_SSL_HTTP_REQUEST" || error.code === "ERR_SSL_HTTPS_PROXY_REQUEST") {
      this.#logger.info("A client spoke plain http to the proxy: the proxy's URL must begin with https://.");
    } else {
      this.#logger.debug(`The TLS handshake of a client with the proxy failed (${error.code ?? "no code"}).`);
    }
    socket.destroy();
  }

  /** Whether a secret belongs to the host that a plain http request names: http's port stands for https's. */
  #isMapped(authority: Authority): boolean {
    const { credentialFor } = this.#services;
    const secure = { ...authority, port: httpsPort };
    return (
      credentialFor(authority) !== undefined || (authority.port === 80 && credentialFor(secure) !== undefined)
    );
  }

  /** @returns the name of who asks */
  #authenticate({ headers, socket }: IncomingMessage): string {
    const admission = this.#credentials.check(headers["proxy-authorization"]);
    if (admission === undefined) {
      throw new OneCliError(
        "proxy-authentication-required",
        "The proxy's user name or password is missing or wrong.",
      );
    }
    this.#admitted.set(socket, admission);
    return admission.name;
  }

  /** Node gives up on a handshake in time; a gateway that stops does not wait for that. */
  #awaitHandshake(socket: Socket): void {
    const key = connectionKey(socket);
    this.#handshakes.set(key, socket);
    // A client that ends its side within the handshake has left.
    socket.allowHalfOpen = false;
    socket.once("close", () => this.#handshakes.delete(key));
  }
}

function listenerTls({ certificate, key }: ServerIdentity, limits?: Partial<HeadLimits>): TlsOptions {
  return {
    cert: certificate,
    key,
    minVersion: "TLSv1.2",
    handshakeTimeout: headLimits(limits).first,
    // As http has it: a client may end its side and still wait for the answer.
    allowHalfOpen: true,
  };
}

function connectTarget(target: string): Authority {
  try {
    return parseAuthority(target);
  } catch (error) {
    throw asBadRequest(error, "The target of CONNECT");
  }
}

/** Host and path of an absolute-form target; only plain http comes this way. */
function plainTarget(target: string): { authority: Authority; path: string } {
  if (/^https:\/\//i.test(target)) {
    throw new OneCliError(
      "bad-request",
      "An https:// request reaches the gateway by CONNECT, not in absolute form.",
    );
  }
  const absolute = /^http:\/\/([^/?#]*)(.*)$/is.exec(target);
  if (absolute === null) {
    throw new OneCliError(
      "bad-request",
      "This is a proxy: a request names its host, as http://host/path or by CONNECT.",
    );
  }
  const [, named = "", rest = ""] = absolute;
  try {
    return { authority: parseAuthority(named, 80), path: rest.startsWith("/") ? rest : `/${rest}` };
  } catch (error) {
    throw asBadRequest(error, "The host of the request");
  }
}

function asBadRequest(error: unknown, what: string): unknown {
  return error instanceof HostnameError ? new OneCliError("bad-request", `${what} ${error.message}.`) : error;
}
