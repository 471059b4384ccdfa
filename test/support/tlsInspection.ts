import { type AddressInfo, type Server, type Socket } from "node:net";
import { createServer } from "node:tls";
import { type TestAuthority } from "./certificates.ts";

/**
 * What a proxy that inspects TLS leads connections to: ends their TLS with a certificate of the company's, and leads on
 * what is in it.
 */
export class TlsInspection {
  /** TLS connections that were accepted by their clients. */
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param onward opens a connection to the host itself. */
  static async start(
    authority: TestAuthority,
    names: readonly string[],
    onward: () => Socket,
  ): Promise<TlsInspection> {
    const server = createServer(await authority.issue({ names }));
    const inspection = new TlsInspection(server);
    server.on("connection", (socket: Socket) => {
      inspection.#sockets.add(socket);
      socket.once("close", () => inspection.#sockets.delete(socket));
    });
    server.on("secureConnection", (client) => {
      inspection.connections++;
      const host = onward();
      client.on("error", () => host.destroy()).on("close", () => host.destroy());
      host.on("error", () => client.destroy()).on("close", () => client.destroy());
      client.pipe(host).pipe(client);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return inspection;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
