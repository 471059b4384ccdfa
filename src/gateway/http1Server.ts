// Intercepted connections that speak HTTP/1.1.
import { type TLSSocket } from "node:tls";
import { type Authority } from "../core/hostname.ts";
import { Connections, type HeadLimits } from "./connections.ts";
import { type ExchangeOrigin, type ExchangeServices } from "./exchange.ts";
import { Http1ServerConnection } from "./http1ServerConnection.ts";

export class Http1Server {
  readonly #services: ExchangeServices;
  readonly #connections: Connections;
  readonly #open = new Set<Http1ServerConnection>();

  constructor(services: ExchangeServices, limits?: Partial<HeadLimits>) {
    this.#services = services;
    this.#connections = new Connections(limits);
  }

  accept(socket: TLSSocket, origin: ExchangeOrigin): void {
    const connection = new Http1ServerConnection(socket, origin, this.#services, this.#connections);
    this.#open.add(connection);
    socket.once("close", () => this.#open.delete(connection));
  }

  /** Closes the connections to targets for which `isMapped` is false: idle ones at once, busy ones after their answer. */
  closeUnmapped(isMapped: (authority: Authority) => boolean): void {
    for (const { socket, origin } of this.#open) {
      if (!isMapped(origin.authority)) {
        this.#connections.closeWhenIdle(socket);
      }
    }
  }

  /** Closes what is idle, the rest after its answer; fulfilled when no request is under way. */
  drain(): Promise<void> {
    return this.#connections.drain();
  }

  destroyAll(): void {
    this.#connections.destroyAll();
  }
}
