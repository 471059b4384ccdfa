import { randomBytes } from "node:crypto";
import { type Socket } from "node:net";
import { type Authority } from "../core/hostname.ts";
import { doctorDomain } from "../core/internalSite.ts";
import { parseMapping } from "../core/mapping.ts";
import { type Logger } from "../core/ports.ts";
import { SecretValue } from "../core/secretValue.ts";
import { type Evidence, type HostEvidence, type OpenedRun } from "../shared/doctorProtocol.ts";
import { Activity } from "./activity.ts";
import { type CertificateAuthority } from "./certificateAuthority.ts";
import { Dialer } from "./dialer.ts";
import { DoctorEcho } from "./doctorEcho.ts";
import { type ExchangeOrigin, type ExchangeServices } from "./exchange.ts";
import { Interceptor } from "./interceptor.ts";
import { parseNoProxy } from "./noProxy.ts";
import { Trust } from "./tlsConnection.ts";
import { Upstream } from "./upstream.ts";
import { WebSockets } from "./webSockets.ts";

/** Milliseconds. */
const lifetime = 15 * 60_000;
const maxHosts = 500;

type Counts = { -readonly [Key in "connects" | "http2" | "requests"]: HostEvidence[Key] };

interface DoctorRunOptions {
  readonly authority: CertificateAuthority;
  readonly isStopping: () => boolean;
  readonly logger: Logger;
  /** The run is over, closed or for its time. */
  readonly onClosed: () => void;
}

/**
 * One run of the doctor inside the gateway: an echo under names of its own and a value made for it, reached by the
 * same interceptor, exchange and upstream as every mapped host, but by instances of its own. There is no way from them to
 * 1Password, and the gateway's CA is trusted for this echo alone.
 */
export class DoctorRun {
  readonly opened: OpenedRun;
  readonly #echo: DoctorEcho;
  readonly #interceptor: Interceptor;
  readonly #upstream: Upstream;
  readonly #webSockets: WebSockets;
  readonly #onClosed: () => void;
  readonly #timer: NodeJS.Timeout;
  readonly #hosts: Map<string, Counts>;

  private constructor(parts: {
    opened: OpenedRun;
    echo: DoctorEcho;
    interceptor: Interceptor;
    upstream: Upstream;
    webSockets: WebSockets;
    hosts: Map<string, Counts>;
    onClosed: () => void;
  }) {
    this.opened = parts.opened;
    this.#echo = parts.echo;
    this.#interceptor = parts.interceptor;
    this.#upstream = parts.upstream;
    this.#webSockets = parts.webSockets;
    this.#hosts = parts.hosts;
    this.#onClosed = parts.onClosed;
    this.#timer = setTimeout(() => this.close(), lifetime).unref();
  }

  static async open({ authority, isStopping, logger, onClosed }: DoctorRunOptions): Promise<DoctorRun> {
    const run = randomBytes(8).toString("hex");
    const domain = `${run}.${doctorDomain}`;
    // Worth nothing anywhere else, so that it need not be kept from the echo.
    const canary = `onecli-doctor-${randomBytes(24).toString("base64url")}`;
    const value = new SecretValue(canary);
    const mapping = parseMapping({ hostname: `*.${domain}`, reference: "op://doctor/doctor/doctor" });
    if (typeof mapping === "string") {
      throw new Error(mapping);
    }
    const echo = await DoctorEcho.start(await authority.leafFor(`*.${domain}`, false), `Bearer ${canary}`);
    const trust = new Trust([authority.certificate]);
    const parentProxy = { kind: "http", host: "127.0.0.1", port: echo.port, isAddress: true } as const;
    const dialer = new Dialer({ parentProxy, noProxy: parseNoProxy([]), trust });
    const upstream = new Upstream({ dialer, trust });
    const hosts = new Map<string, Counts>();
    const webSockets = new WebSockets();
    const services: ExchangeServices = {
      credentialFor: ({ host }, target) => {
        if (target !== undefined) {
          countOf(hosts, host).requests++;
        }
        return mapping;
      },
      resolve: () => Promise.resolve({ value, cached: true }),
      upstream,
      webSockets,
      activity: new Activity(),
      isStopping,
      logger,
    };
    const interceptor = new Interceptor({
      authority,
      services,
      logger,
      onHandshake: ({ host }, protocol) => {
        countOf(hosts, host).http2 += protocol === "h2" ? 1 : 0;
      },
    });
    const opened = { run, domain, ca: authority.certificate, lifetime };
    return new DoctorRun({ opened, echo, interceptor, upstream, webSockets, hosts, onClosed });
  }

  /** Takes over a client whose CONNECT to a host of this run was answered. */
  accept(client: Socket, origin: ExchangeOrigin): void {
    countOf(this.#hosts, origin.authority.host).connects++;
    void this.#interceptor.accept(client, origin);
  }

  covers({ host, port }: Authority): boolean {
    const { domain } = this.opened;
    return port === 443 && host.endsWith(`.${domain}`) && !host.slice(0, -domain.length - 1).includes(".");
  }

  evidence(): Evidence {
    const entries = [...this.#hosts].map(([label, counts]) => {
      const { arrived = 0, webSockets = 0 } = this.#echo.seen(label) ?? {};
      return [label, { ...counts, arrived, webSockets }] as const;
    });
    return { hosts: Object.fromEntries(entries) };
  }

  release(label: string): void {
    this.#echo.release(label);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#webSockets.destroyAll();
    this.#interceptor.destroyAll();
    this.#upstream.close().catch(() => undefined);
    this.#echo.close();
    this.#onClosed();
  }
}

function countOf(hosts: Map<string, Counts>, host: string): Counts {
  const label = host.split(".", 1)[0] ?? "";
  let counts = hosts.get(label);
  if (counts === undefined) {
    counts = { connects: 0, http2: 0, requests: 0 };
    if (hosts.size < maxHosts) {
      hosts.set(label, counts);
    }
  }
  return counts;
}
