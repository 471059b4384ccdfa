import { type Server as HttpServer } from "node:http";
import { type Socket } from "node:net";

/**
 * proxy-chain hands a CONNECT's socket (after its 200) to a server by emitting `connection` on it. This is such a
 * "server" for one CONNECT: it calls `take` with the socket, so that whatever is known of the CONNECT is at hand.
 */
export function handOffTo(take: (socket: Socket) => void): HttpServer {
  const receiver = {
    emit(_event: "connection", socket: Socket): boolean {
      take(socket);
      return true;
    },
  };
  // emit is all that is called (proxy-chain 3, custom_connect).
  return receiver as unknown as HttpServer;
}
