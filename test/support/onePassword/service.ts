import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { Account } from "./account.ts";
import type { Item, ItemSpec, Vault, VaultSpec } from "./account.ts";
import { newId } from "./envelope.ts";
import { answerInClear, answerSealed, unauthenticated } from "./routes.ts";
import type { ServiceReply, ServiceRequest, Session } from "./routes.ts";

export interface ServiceOptions {
  readonly vaults?: readonly VaultSpec[];
  readonly port?: number;
  /** Gets one line per request: method and route. */
  readonly log?: (line: string) => void;
}

/** What goes wrong, for the requests whose `METHOD route` matches (without `route`: for all). */
export interface Fault {
  readonly route?: RegExp;
  /** Answer with this status and, if given, this body instead of the right one. */
  readonly status?: number;
  readonly body?: unknown;
  readonly delayMs?: number;
  /** Take the request and never answer. */
  readonly hang?: true;
  /** Close the connection without an answer. */
  readonly drop?: true;
  /** Change the content of a right answer before it is sealed. */
  readonly edit?: (content: unknown) => unknown;
  /** How many requests it meets; without it, all until it is removed. */
  readonly times?: number;
}

const signInRoute = /^(?:POST v3\/auth\/start|POST v2\/auth(?:\/.*)?|(?:POST|PUT) v1\/device.*)$/;

/**
 * A 1Password service on loopback that the unmodified SDK signs in to. Account, keys and token are made up at each
 * start. It shows that this project and the SDK work together over a socket, nothing about 1Password's own servers.
 */
export class OnePasswordService {
  readonly account: Account;
  readonly address: string;
  /** Every request so far, as `GET v1/vaults`: method and route without query. */
  requests: string[] = [];
  readonly #server: Server;
  readonly #log: ((line: string) => void) | undefined;
  readonly #sessions = new Map<string, Session>();
  readonly #faults = new Set<{ fault: Fault; left: number }>();
  readonly #watchers = new Set<(line: string) => void>();
  #revoked = false;

  constructor(server: Server, options: ServiceOptions) {
    this.#server = server;
    this.#log = options.log;
    this.address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.account = new Account(this.address);
    for (const vault of options.vaults ?? []) {
      this.account.addVault(vault);
    }
    server.on("request", (request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        this.#log?.(`failed: ${String(error)}`);
        response.destroy();
      });
    });
  }

  get token(): string {
    return this.account.token;
  }

  clearRequests(): void {
    this.requests = [];
  }

  /** Requests that read something, as opposed to those that sign in. */
  countReads(): number {
    return this.requests.filter((line) => !signInRoute.test(line)).length;
  }

  countSignIns(): number {
    return this.requests.filter((line) => line === "POST v3/auth/start").length;
  }

  /** Settles when the next request matching `route` has arrived. */
  nextRequest(route: RegExp): Promise<string> {
    return new Promise((resolve) => {
      const watch = (line: string) => {
        if (route.test(line)) {
          this.#watchers.delete(watch);
          resolve(line);
        }
      };
      this.#watchers.add(watch);
    });
  }

  /** Makes requests go wrong until the returned function is called. */
  fault(fault: Fault): () => void {
    const entry = { fault, left: fault.times ?? Number.POSITIVE_INFINITY };
    this.#faults.add(entry);
    return () => this.#faults.delete(entry);
  }

  clearFaults(): void {
    this.#faults.clear();
  }

  /** The account is gone: no sign-in, no session is taken. */
  revoke(): void {
    this.#revoked = true;
  }

  restore(): void {
    this.#revoked = false;
  }

  /** Sessions are forgotten, the account stays: the SDK signs in again by itself. */
  expireSessions(): void {
    this.#sessions.clear();
  }

  addVault(spec: VaultSpec): Vault {
    return this.account.addVault(spec);
  }

  addItem(vaultTitle: string, spec: ItemSpec): Item {
    return this.account.addItem(vaultTitle, spec);
  }

  rename(vaultTitle: string, itemTitle: string, title: string): void {
    this.account.rename(vaultTitle, itemTitle, title);
  }

  rotate(vaultTitle: string, itemTitle: string, label: string, value: string): void {
    this.account.rotate(vaultTitle, itemTitle, label, value);
  }

  archive(vaultTitle: string, itemTitle: string): void {
    this.account.archive(vaultTitle, itemTitle);
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(incoming);
    // A proxy may have led another name here.
    const url = new URL(incoming.url ?? "/", `http://${incoming.headers.host ?? ""}`);
    const method = incoming.method ?? "";
    const route = url.pathname.replace(/^\/api\//, "");
    const line = `${method} ${route}`;
    this.requests.push(line);
    this.#log?.(line);
    for (const watch of [...this.#watchers]) {
      watch(line);
    }
    const fault = this.#takeFault(line);
    if (fault.delayMs !== undefined) {
      await delay(fault.delayMs, undefined, { ref: false });
    }
    if (fault.hang === true) {
      return;
    }
    if (fault.drop === true) {
      incoming.socket.destroy();
      return;
    }
    const signed = `${url.hostname}${url.pathname}?${url.search.slice(1)}`;
    const request = { method, route, signed, headers: incoming.headers, body };
    const reply =
      fault.status === undefined
        ? this.#answer(request, fault.edit ?? ((content) => content))
        : { status: fault.status, body: fault.body ?? { errorCode: fault.status, errorMessage: "fault" } };
    response.writeHead(reply.status, { "content-type": "application/json" });
    response.end(typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body));
  }

  #takeFault(line: string): Fault {
    for (const entry of this.#faults) {
      if (entry.left > 0 && entry.fault.route?.test(line) !== false) {
        entry.left -= 1;
        return entry.fault;
      }
    }
    return {};
  }

  #answer(request: ServiceRequest, edit: (content: unknown) => unknown): ServiceReply {
    if (this.#revoked) {
      return unauthenticated;
    }
    if (request.route === "v3/auth/start") {
      return this.#startSession(request, edit);
    }
    const session = this.#sessions.get(String(request.headers["x-agilebits-session-id"]));
    if (session === undefined) {
      return unauthenticated;
    }
    const inClear = answerInClear(this.account, session, request);
    return inClear === undefined
      ? answerSealed(this.account, session, request, edit)
      : { status: 200, body: edit(inClear) };
  }

  #startSession(request: ServiceRequest, edit: (content: unknown) => unknown): ServiceReply {
    const { email, secretKeyId, userAuth } = this.account;
    const sent = JSON.parse(request.body) as { email?: string; skid?: string };
    if (sent.email !== email || sent.skid !== secretKeyId) {
      return unauthenticated;
    }
    const session: Session = { id: newId().toUpperCase(), confirmed: false };
    this.#sessions.set(session.id, session);
    const content = {
      status: "ok",
      sessionID: session.id,
      accountKeyFormat: "A3",
      accountKeyUuid: secretKeyId,
      userAuth,
    };
    return { status: 200, body: edit(content) };
  }
}

/** Starts the service on loopback (port 0: a free one) and fills its account with the vaults given. */
export async function startOnePasswordService(options: ServiceOptions = {}): Promise<OnePasswordService> {
  // Longer than the client keeps an idle connection, so that no request meets one that is being closed.
  const server = createServer({ keepAliveTimeout: 120_000 });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  return new OnePasswordService(server, options);
}
