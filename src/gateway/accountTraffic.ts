// How the SDK of 1Password reaches its servers. It takes no agent, proxy or trust store: its WebAssembly calls the global
// fetch, which in Node goes by the global dispatcher of undici. That belongs to this thread or program alone; in the
// extension host's main thread, where fetch is the editor's, none of this runs.
import { type Socket } from "node:net";
import { Agent, getGlobalDispatcher, setGlobalDispatcher } from "undici";
import { describeError, isOneCliError, OneCliError } from "../core/errors.ts";
import { type Authority, formatAuthority, parseAuthority } from "../core/hostname.ts";
import { type Logger } from "../core/ports.ts";
import { type Dialer } from "./dialer.ts";
import { type Trust } from "./tlsConnection.ts";
import { dialSecure } from "./upstreamTls.ts";

/** Milliseconds; less than a call to 1Password may take, so that the reason is known when it fails. */
const defaultConnectTimeout = 10_000;

interface AccountTrafficOptions {
  readonly dialer: Dialer;
  readonly trust: Trust;
  readonly logger: Logger;
  /** Milliseconds for connecting and the TLS handshake together; 10 s where not given. */
  readonly connectTimeout?: number;
}

/** What fetch goes by where there is no gateway. */
const standard = getGlobalDispatcher();
/** There is one fetch for all gateways of a process: it goes by the last of these. */
const agents: Agent[] = [];

export class AccountTraffic {
  readonly #dialer: Dialer;
  readonly #trust: Trust;
  readonly #connectTimeout: number;
  readonly #agent: Agent;
  readonly #closing = new AbortController();
  #failure: string | undefined;

  /** Leads fetch until it is closed. */
  constructor({ dialer, trust, logger, connectTimeout = defaultConnectTimeout }: AccountTrafficOptions) {
    this.#dialer = dialer;
    this.#trust = trust;
    this.#connectTimeout = connectTimeout;
    this.#agent = new Agent({
      connect: ({ hostname, port, protocol }, callback) => {
        this.#open(protocol === "https:", hostname, port).then(
          (socket) => {
            this.#failure = undefined;
            callback(null, socket);
          },
          (error: unknown) => {
            this.#failed(error, logger);
            callback(error as Error, null);
          },
        );
      },
    });
    agents.push(this.#agent);
    setGlobalDispatcher(this.#agent);
  }

  /** Why the last connection could not be made, and what to change, in sentences; nothing once one was made. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Gives fetch back and breaks off what is under way. */
  async close(): Promise<void> {
    this.#closing.abort(new OneCliError("gateway-stopping", "The gateway is stopping."));
    agents.splice(agents.indexOf(this.#agent), 1);
    setGlobalDispatcher(agents.at(-1) ?? standard);
    await this.#agent.destroy();
  }

  /** Said in the log as well, once: an agent that gives up shows its user nothing. */
  #failed(error: unknown, logger: Logger): void {
    const failure = explain(error);
    if (failure !== undefined && failure !== this.#failure && !this.#closing.signal.aborted) {
      logger.warn(`1Password cannot be reached. ${failure}`);
    }
    this.#failure = failure;
  }

  async #open(isSecure: boolean, hostname: string, port: string): Promise<Socket> {
    const authority = parseAuthority(hostname, port === "" ? (isSecure ? 443 : 80) : Number(port));
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(this.#timeout(authority)), this.#connectTimeout);
    const signal = AbortSignal.any([limit.signal, this.#closing.signal]);
    try {
      return isSecure
        ? await dialSecure(this.#dialer, authority, ["http/1.1"], this.#trust, signal)
        : await this.#dialer.dial(authority, signal);
    } finally {
      clearTimeout(timer);
    }
  }

  #timeout(authority: Authority): OneCliError {
    const how = this.#dialer.parentFor(authority) === undefined ? "" : " through the parent proxy";
    const time = `within ${Math.round(this.#connectTimeout / 1000)} seconds`;
    const message = `${formatAuthority(authority)} did not accept a connection${how} ${time}.`;
    return new OneCliError("upstream-timeout", message);
  }
}

function explain(error: unknown): string | undefined {
  if (!isOneCliError(error)) {
    return undefined;
  }
  return error.code === "upstream-certificate"
    ? `${error.message} ${describeError(error.code).hint}`
    : error.message;
}
