// One request: head in, secret set, upstream's answer out. Nothing is kept whole, neither body.
import { type IncomingMessage, type ServerResponse } from "node:http";
import { OneCliError, toOneCliError } from "../core/errors.ts";
import { endToEndHeaders, fieldValues, withoutFields } from "../core/headers.ts";
import { type Authority, formatAuthority, HostnameError, parseAuthority } from "../core/hostname.ts";
import { inject } from "../core/injection.ts";
import { defaultRule } from "../core/services.ts";
import { type Mapping } from "../core/mapping.ts";
import { type Logger } from "../core/ports.ts";
import { type SecretReference } from "../core/secretReference.ts";
import { type SecretValue } from "../core/secretValue.ts";
import { type Activity } from "./activity.ts";
import { lingerThenDestroy, sendError } from "./answers.ts";
import { UploadBody } from "./uploadBody.ts";
import { hostField, type ResponseHandler, type Upstream, upstreamError } from "./upstream.ts";

/** What the exchanges of a gateway share. */
export interface ExchangeServices {
  readonly mappingFor: (authority: Authority) => Mapping | undefined;
  readonly resolve: (
    reference: SecretReference,
  ) => Promise<{ readonly value: SecretValue; readonly cached: boolean }>;
  readonly upstream: Upstream;
  readonly activity: Activity;
  readonly isStopping: () => boolean;
  readonly logger: Logger;
}

/** Where a request came in: its connection's target, and who opened it. */
export interface ExchangeOrigin {
  readonly authority: Authority;
  readonly agent: string;
}

/** Fields that are written anew for the next hop, or that undici refuses; `Expect` was answered by the server. */
const rewritten = new Set(["expect"]);
const rewrittenWithHost = new Set(["expect", "host"]);

/** Answers to these end with their head, whatever its Content-Length says (RFC 9112 §6.3). */
const isBodiless = (status: number) => status === 204 || status === 304;

export class Exchange implements ResponseHandler {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #origin: ExchangeOrigin;
  readonly #services: ExchangeServices;
  readonly #startedAt = performance.now();
  #path = "";
  #headMs = 0;
  #bytesDown = 0;
  #upload: UploadBody | undefined;
  #mapping: string | undefined;
  #cacheHit: boolean | undefined;
  #error: OneCliError | undefined;
  #abort: ((error?: Error) => void) | undefined;
  /** The upstream has nothing more to say to this exchange. */
  #done = false;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    origin: ExchangeOrigin,
    services: ExchangeServices,
  ) {
    this.#request = request;
    this.#response = response;
    this.#origin = origin;
    this.#services = services;
    response.sendDate = false;
    response.once("close", () => this.#closed());
  }

  /** A request inside the TLS of a mapped host. */
  async forwardMapped(): Promise<void> {
    try {
      const { authority } = this.#origin;
      this.#refuseWhileStopping();
      const mapping = this.#services.mappingFor(authority);
      if (mapping === undefined) {
        // Its mapping was removed after the connection was opened; over a fresh connection it is a tunnel.
        this.#response.shouldKeepAlive = false;
        throw new OneCliError("misdirected", `${formatAuthority(authority)} is no longer mapped.`);
      }
      const path = mappedPath(this.#request, authority);
      this.#path = path;
      refuseMethod(this.#request);
      checkHost(this.#request, authority);
      refuseTransferCodings(this.#request);
      refuseWebSocket(this.#request);
      this.#mapping = mapping.hostname;
      const { value, cached } = await this.#services.resolve(mapping.reference);
      this.#cacheHit = cached;
      const headers = withoutFields(endToEndHeaders(this.#request.rawHeaders), rewritten);
      this.#dispatch("https", path, inject(headers, mapping.rule ?? defaultRule(authority.host), value));
    } catch (error) {
      this.fail(toOneCliError(error));
    }
  }

  /** A plain http request: nothing is injected, and a host that a secret belongs to is refused. */
  forwardPlain(path: string, isMapped: boolean): void {
    try {
      this.#path = path;
      this.#refuseWhileStopping();
      if (isMapped) {
        const { host } = this.#origin.authority;
        throw new OneCliError("insecure-request", `${host} is mapped, and the request is plain http.`);
      }
      refuseTransferCodings(this.#request);
      const headers = withoutFields(endToEndHeaders(this.#request.rawHeaders), rewrittenWithHost);
      headers.push("Host", hostField(this.#origin.authority, "http"));
      this.#dispatch("http", path, headers);
    } catch (error) {
      this.fail(toOneCliError(error));
    }
  }

  /** Ends the exchange with an error: as an answer if none has begun, as a broken body otherwise. */
  fail(error: OneCliError): void {
    if (this.#done) {
      return;
    }
    this.#done = true;
    this.#error = error;
    if (error.code === "internal") {
      this.#services.logger.error(
        `A request to ${this.#origin.authority.host} failed.`,
        describeFault(error.cause),
      );
    }
    this.#abort?.();
    if (this.#response.headersSent) {
      this.#response.destroy();
    } else if (!this.#response.destroyed) {
      this.#headMs = this.#elapsed();
      this.#response.sendDate = true;
      sendError(this.#response, error);
    }
  }

  /** Ends the exchange, and with it the connection, because of what the client sent after the request's head. */
  refuse(error: OneCliError): void {
    const { socket } = this.#request;
    this.#response.shouldKeepAlive = false;
    this.fail(error);
    lingerThenDestroy(socket);
  }

  #refuseWhileStopping(): void {
    if (this.#services.isStopping()) {
      this.#response.shouldKeepAlive = false;
      throw new OneCliError("gateway-stopping", "The gateway is stopping.");
    }
  }

  #dispatch(scheme: "https" | "http", path: string, headers: string[]): void {
    const { method = "GET" } = this.#request;
    // The client may have left, or sent nonsense, while the secret was looked up.
    if (this.#done || this.#response.destroyed) {
      return;
    }
    if (hasBody(this.#request)) {
      this.#upload = new UploadBody(this.#request);
    }
    const { authority } = this.#origin;
    const body = this.#upload ?? null;
    this.#services.upstream.dispatch({ scheme, authority, method, path, headers, body }, this);
  }

  // What undici calls, in this order.

  onConnect(abort: (error?: Error) => void): void {
    this.#abort = abort;
    if (this.#done || this.#response.destroyed) {
      abort();
    }
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void, reason: string): boolean {
    if (status < 200) {
      return true;
    }
    const headers = endToEndHeaders(rawHeaders.map((part) => part.toString("latin1")));
    this.#headMs = this.#elapsed();
    const response = this.#response;
    response.writeHead(status, isReasonPhrase(reason) ? reason : "", headers);
    if (isBodiless(status)) {
      this.#done = true;
      response.end();
      return true;
    }
    response.on("drain", resume);
    // Sends the head without waiting for a body. flushHeaders would send it as UTF-8 and so double Latin-1 bytes.
    response.write("", "latin1");
    return !response.writableNeedDrain;
  }

  onData(chunk: Buffer): boolean {
    this.#bytesDown += chunk.length;
    return this.#response.write(chunk);
  }

  onComplete(): void {
    if (!this.#done) {
      this.#done = true;
      this.#response.end();
    }
  }

  onError(error: Error): void {
    this.#abort = undefined;
    this.fail(upstreamError(this.#origin.authority, error));
  }

  #closed(): void {
    if (!this.#response.writableFinished && !this.#done) {
      this.#done = true;
      this.#abort?.(new Error("the client left"));
    }
    this.#record();
  }

  #record(): void {
    const { authority, agent } = this.#origin;
    const totalMs = this.#elapsed();
    const queryStart = this.#path.indexOf("?");
    this.#services.activity.add({
      at: Date.now() - Math.round(totalMs),
      kind: "request",
      agent,
      method: this.#request.method ?? "",
      host: formatAuthority(authority),
      path: queryStart === -1 ? this.#path : this.#path.slice(0, queryStart),
      status: this.#response.headersSent ? this.#response.statusCode : 0,
      ...(this.#error !== undefined && { error: this.#error.code }),
      ...(this.#mapping !== undefined && { mapping: this.#mapping }),
      ...(this.#cacheHit !== undefined && { cacheHit: this.#cacheHit }),
      headMs: this.#headMs,
      totalMs,
      bytesUp: this.#upload?.bytes ?? 0,
      bytesDown: this.#bytesDown,
    });
  }

  #elapsed(): number {
    return performance.now() - this.#startedAt;
  }
}

/** Path and query of a request for the connection's own target, byte for byte. */
function mappedPath(request: IncomingMessage, authority: Authority): string {
  const target = request.url ?? "";
  if (target.startsWith("/")) {
    return target;
  }
  if (target === "*") {
    throw new OneCliError("not-implemented", "A request for * (the server as a whole) is not passed on.");
  }
  const absolute = /^https:\/\/([^/?#]*)(.*)$/is.exec(target);
  if (absolute === null) {
    throw new OneCliError("bad-request", "The request's target is neither a path nor an https:// URL.");
  }
  const [, named = "", rest = ""] = absolute;
  refuseOtherAuthority(named, authority);
  return rest.startsWith("/") ? rest : `/${rest}`;
}

function refuseMethod({ method }: IncomingMessage): void {
  if (method === "TRACE") {
    throw new OneCliError("method-not-allowed", "TRACE would send the secret back to the client.");
  }
}

/** Exactly one Host, naming the host and port that the connection was opened for (RFC 9112 §3.2). */
function checkHost(request: IncomingMessage, authority: Authority): void {
  const [host, ...more] = fieldValues(request.rawHeaders, "host");
  if (host === undefined || more.length > 0) {
    const count = host === undefined ? "no Host field" : "more than one Host field";
    throw new OneCliError("bad-request", `The request has ${count}.`);
  }
  refuseOtherAuthority(host, authority);
}

function refuseOtherAuthority(text: string, authority: Authority): void {
  if (text === authority.host && authority.port === 443) {
    return;
  }
  let named: Authority | undefined;
  try {
    named = parseAuthority(text, 443);
  } catch (error) {
    if (!(error instanceof HostnameError)) {
      throw error;
    }
  }
  if (named?.host !== authority.host || named.port !== authority.port) {
    const opened = formatAuthority(authority);
    throw new OneCliError(
      "misdirected",
      `The request names another host than ${opened}, for which its connection was opened.`,
    );
  }
}

/** Chunked is undone and made anew hop by hop; any other coding would be lost with its field (RFC 9112 §6.1). */
function refuseTransferCodings({ headers }: IncomingMessage): void {
  const coding = headers["transfer-encoding"];
  if (coding !== undefined && coding.toLowerCase() !== "chunked") {
    throw new OneCliError("not-implemented", "The request's body has a transfer coding other than chunked.");
  }
}

function refuseWebSocket(request: IncomingMessage): void {
  const upgrades = fieldValues(request.rawHeaders, "upgrade");
  if (upgrades.some((value) => value.toLowerCase().includes("websocket"))) {
    throw new OneCliError("upgrade-unsupported", "WebSockets to mapped hosts are not passed on.");
  }
}

function hasBody(request: IncomingMessage): boolean {
  return (
    request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0
  );
}

/** Reason phrases travel as Latin-1; one that did not survive its decoding is left out. */
function isReasonPhrase(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
}

/** Where a fault of ours happened: its kind and stack frames, not its message, which may quote anything. */
function describeFault(cause: unknown): string {
  if (!(cause instanceof Error)) {
    return "(not an Error)";
  }
  const frames = (cause.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  return [cause.name, ...frames.slice(0, 6)].join("\n");
}
