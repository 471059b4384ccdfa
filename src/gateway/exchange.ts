// One request: head in, secret set, upstream's answer out. Nothing is kept whole, neither body.
import { constants } from "node:http2";
import { type Duplex } from "node:stream";
import { type Credential, type CredentialIndex, sourceOf } from "../core/credentialIndex.ts";
import { OneCliError, toOneCliError } from "../core/errors.ts";
import { endToEndHeaders, FieldNames, fieldValues, type RawHeaders } from "../core/headers.ts";
import { type Authority, formatAuthority, HostnameError, parseAuthority } from "../core/hostname.ts";
import { inject, type RequestHead } from "../core/injection.ts";
import { type Logger } from "../core/ports.ts";
import { type SecretValue } from "../core/secretValue.ts";
import { injectionRule, leakedPlaceholder } from "../core/serviceRules.ts";
import { type ActivityRecord } from "../shared/gatewayProtocol.ts";
import { type Activity } from "./activity.ts";
import { type Downstream, isBodiless } from "./downstream.ts";
import { type Release } from "./readBuffers.ts";
import { type UploadBody } from "./uploadBody.ts";
import { hostField, type Upstream, upstreamError } from "./upstream.ts";
import { type AnswerHandler, UpstreamReset } from "./upstreamRequest.ts";
import { type WebSockets } from "./webSockets.ts";

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = constants;

interface Resolved {
  readonly value: SecretValue;
  readonly cached?: boolean;
}

/** What the exchanges of a gateway share. */
export interface ExchangeServices {
  readonly credentialFor: CredentialIndex;
  /** `cached`: whether 1Password was not asked for this request; absent where it never is. */
  readonly resolve: (credential: Credential) => Resolved | Promise<Resolved>;
  readonly upstream: Upstream;
  readonly webSockets: WebSockets;
  readonly activity: Activity;
  readonly isStopping: () => boolean;
  readonly logger: Logger;
}

/** Where a request came in: its connection's target, and who opened it. */
export interface ExchangeOrigin {
  readonly authority: Authority;
  readonly agent: string;
}

/** Fields that are written anew for the next hop; `Expect` was answered where the request came in. */
const rewritten = new FieldNames(["expect", "host", "sec-websocket-key"]);
/** Without a body there are no fields behind it. */
const rewrittenWithoutBody = new FieldNames(["expect", "host", "sec-websocket-key", "trailer"]);

export class Exchange implements AnswerHandler {
  readonly #client: Downstream;
  readonly #origin: ExchangeOrigin;
  readonly #services: ExchangeServices;
  readonly #startedAt = performance.now();
  #path = "";
  #headMs = 0;
  #bytesDown = 0;
  #bytesUp: number | undefined;
  #upload: UploadBody | null = null;
  #credential: Credential | undefined;
  #cacheHit: boolean | undefined;
  /** Id of the service whose placeholder goes to a host that is not its own. */
  #leaked: string | undefined;
  #error: OneCliError | undefined;
  #abort: ((code: number) => void) | undefined;
  /** The upstream has nothing more to say to this exchange. */
  #done = false;

  constructor(client: Downstream, origin: ExchangeOrigin, services: ExchangeServices) {
    this.#client = client;
    this.#origin = origin;
    this.#services = services;
    client.onClose((whole, code) => this.#closed(whole, code));
  }

  /** A request inside the TLS of a mapped host. */
  async forwardMapped(): Promise<void> {
    try {
      const client = this.#client;
      const { authority } = this.#origin;
      this.#refuseWhileStopping();
      if (this.#services.credentialFor(authority) === undefined) {
        // Its mapping was removed after the connection was opened; over a fresh connection it is a tunnel.
        client.closeConnection();
        throw new OneCliError("misdirected", `${formatAuthority(authority)} is no longer mapped.`);
      }
      refuseMethod(client);
      const path = mappedPath(client.target, authority);
      this.#path = path;
      checkHost(client.hosts, authority);
      refuseTransferCodings(client.headers);
      const head = { path, headers: headersUp(client) };
      const credential = this.#services.credentialFor(authority, path);
      if (credential === undefined) {
        this.#dispatch("https", head);
        return;
      }
      this.#credential = credential;
      const resolved = this.#services.resolve(credential);
      // What is at hand is not waited for, not even a turn.
      const { value, cached } = resolved instanceof Promise ? await resolved : resolved;
      this.#cacheHit = cached;
      this.#dispatch("https", inject(head, injectionRule(credential.rule, authority.host, path), value));
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
      refuseTransferCodings(this.#client.headers);
      this.#dispatch("http", { path, headers: headersUp(this.#client) });
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
    this.#abort?.(NGHTTP2_CANCEL);
    const client = this.#client;
    if (client.status !== 0) {
      client.reset(NGHTTP2_INTERNAL_ERROR);
    } else if (!client.closed) {
      this.#headMs = this.#elapsed();
      client.sendError(error);
    }
  }

  /** {@link fail}s, and lets the answer be the connection's last. */
  failLast(error: OneCliError): void {
    this.#client.closeConnection();
    this.fail(error);
  }

  #refuseWhileStopping(): void {
    if (this.#services.isStopping()) {
      this.#client.closeConnection();
      throw new OneCliError("gateway-stopping", "The gateway is stopping.");
    }
  }

  #dispatch(scheme: "https" | "http", head: RequestHead & { readonly headers: string[] }): void {
    const client = this.#client;
    // The client may have left, or sent nonsense, while the secret was looked up.
    if (this.#done || client.closed) {
      return;
    }
    const { authority } = this.#origin;
    const { webSocketKey } = client;
    const body = client.hasBody ? client.openBody() : null;
    this.#upload = body;
    this.#services.upstream.dispatch(
      {
        scheme,
        authority,
        method: webSocketKey === undefined ? client.method : "GET",
        path: head.path,
        // A host that was checked goes up as it was written.
        host: (scheme === "https" ? client.hosts[0] : undefined) ?? hostField(authority, scheme),
        headers: head.headers,
        body,
        webSocketKey,
      },
      this,
    );
    this.#warnOfLeak(head);
  }

  #warnOfLeak(head: RequestHead): void {
    const { host } = this.#origin.authority;
    this.#leaked = leakedPlaceholder(head, host);
    if (this.#leaked !== undefined) {
      this.#services.logger.warn(
        `The placeholder of ${this.#leaked} was sent to ${host}, which is not its host.`,
      );
    }
  }

  // What the upstream calls, in this order.

  onStart(abort: (code: number) => void): void {
    this.#abort = abort;
    if (this.#done || this.#client.closed) {
      abort(NGHTTP2_CANCEL);
    }
  }

  onHead(status: number, reason: string, headers: RawHeaders, resume: () => void): boolean {
    const client = this.#client;
    this.#headMs = this.#elapsed();
    client.sendHead(status, reason, endToEndHeaders(headers));
    if (isBodiless(client.method, status)) {
      this.#done = true;
      client.end([]);
      return true;
    }
    client.onDrain(resume);
    return true;
  }

  onData(chunk: Buffer, release?: Release): boolean {
    this.#bytesDown += chunk.length;
    return this.#client.write(chunk, release);
  }

  onEnd(trailers: RawHeaders): void {
    if (!this.#done) {
      this.#done = true;
      this.#client.end(trailers);
    }
  }

  onSwitch(headers: RawHeaders, bytes: Duplex): void {
    this.#done = true;
    this.#headMs = this.#elapsed();
    const client = this.#client.switchToBytes(endToEndHeaders(headers));
    const mapped = this.#credential === undefined ? undefined : this.#origin.authority;
    this.#services.webSockets.join(client, bytes, mapped, (bytesUp, bytesDown) => {
      this.#bytesUp = bytesUp;
      this.#bytesDown = bytesDown;
      this.#record();
    });
  }

  onError(error: Error): void {
    this.#abort = undefined;
    const client = this.#client;
    if (error instanceof UpstreamReset && client.carriesResets && !this.#done) {
      // The client speaks the upstream's language: it is told what the upstream said.
      this.#done = true;
      this.#error = upstreamError(this.#origin.authority, error);
      client.reset(error.resetCode);
      return;
    }
    this.fail(upstreamError(this.#origin.authority, error));
  }

  #closed(whole: boolean, code: number): void {
    if (!whole && !this.#done) {
      this.#done = true;
      this.#abort?.(code === NGHTTP2_NO_ERROR ? NGHTTP2_CANCEL : code);
    }
    this.#record();
  }

  #record(): void {
    const { authority, agent } = this.#origin;
    const totalMs = this.#elapsed();
    const queryStart = this.#path.indexOf("?");
    const record: Omit<ActivityRecord, "id"> = {
      at: Date.now() - Math.round(totalMs),
      kind: "request",
      agent,
      method: this.#client.method,
      host: formatAuthority(authority),
      path: queryStart === -1 ? this.#path : this.#path.slice(0, queryStart),
      status: this.#client.status,
      headMs: this.#headMs,
      totalMs,
      bytesUp: this.#bytesUp ?? this.#upload?.bytes ?? 0,
      bytesDown: this.#bytesDown,
    };
    if (this.#error !== undefined) {
      record.error = this.#error.code;
    }
    if (this.#credential !== undefined) {
      record.mapping = this.#credential.id;
      record.source = sourceOf(this.#credential);
    }
    if (this.#cacheHit !== undefined) {
      record.cacheHit = this.#cacheHit;
    }
    if (this.#leaked !== undefined) {
      record.warning = "placeholder-leak";
      record.service = this.#leaked;
    }
    this.#services.activity.add(record);
  }

  #elapsed(): number {
    return performance.now() - this.#startedAt;
  }
}

function headersUp({ headers, hasBody }: Downstream): string[] {
  return endToEndHeaders(headers, hasBody ? rewritten : rewrittenWithoutBody);
}

/** Path and query of a request for the connection's own target, byte for byte. */
function mappedPath(target: string, authority: Authority): string {
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

function refuseMethod({ method, webSocketKey }: Downstream): void {
  if (method === "TRACE") {
    throw new OneCliError("method-not-allowed", "TRACE would send the secret back to the client.");
  }
  if (method === "CONNECT" && webSocketKey === undefined) {
    throw new OneCliError("method-not-allowed", "CONNECT is not taken inside a tunnel.");
  }
}

/** Exactly one Host, naming the host and port that the connection was opened for (RFC 9112 §3.2). */
function checkHost([host, ...more]: readonly string[], authority: Authority): void {
  if (host === undefined || more.length > 0) {
    const count = host === undefined ? "no Host field" : "more than one Host field";
    throw new OneCliError("bad-request", `The request has ${count}.`);
  }
  refuseOtherAuthority(host, authority);
}

function refuseOtherAuthority(text: string, authority: Authority): void {
  if (text === formatAuthority(authority)) {
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
function refuseTransferCodings(headers: RawHeaders): void {
  const codings = fieldValues(headers, "transfer-encoding");
  if (codings.length > 0 && codings.join(", ").toLowerCase() !== "chunked") {
    throw new OneCliError("not-implemented", "The request's body has a transfer coding other than chunked.");
  }
}

/** Where a fault of ours happened: its kind and stack frames, not its message, which may quote anything. */
function describeFault(cause: unknown): string {
  if (!(cause instanceof Error)) {
    return "(not an Error)";
  }
  const frames = (cause.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  return [cause.name, ...frames.slice(0, 6)].join("\n");
}
