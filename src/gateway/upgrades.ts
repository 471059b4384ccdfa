// Requests that ask for another protocol on their connection (RFC 9110 §7.8).
import { type IncomingMessage, type Server, ServerResponse } from "node:http";
import { type Socket } from "node:net";
import { fieldValues, withoutFields } from "../core/headers.ts";
import { headBytes, lingerThenDestroy } from "./answers.ts";
import { connectionEvent, type Connections } from "./connections.ts";
import { type TakeSocket } from "./listenerDownstream.ts";

/** Bytes that a client may send before its upgrade is answered. */
const maxEarlyBytes = 64 * 1024;

const upgradeField = new Set(["upgrade"]);

/**
 * Gives requests for a WebSocket to `accept`, with a response that ends its connection. An offer of any other protocol
 * is not taken: the request is read again without it, and goes its ordinary way.
 */
export function onUpgrade(
  server: Server,
  connections: Connections,
  accept: (request: IncomingMessage, response: ServerResponse, takeSocket: TakeSocket) => void,
): void {
  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (connections.isBusy(socket)) {
      // Behind a request whose answer is still to come: Node has let go of the connection already.
      socket.destroy();
      return;
    }
    if (!asksForWebSocket(request)) {
      socket.unshift(Buffer.concat([headWithoutUpgrade(request), head]));
      server.emit(connectionEvent(server), socket);
      return;
    }
    const early = keepEarlyBytes(socket, head);
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once("finish", () => {
      response.detachSocket(socket);
      socket.end();
      lingerThenDestroy(socket);
      response.emit("close");
    });
    connections.requestStarted(socket, request);
    response.once("close", () => connections.requestEnded(socket));
    accept(request, response, () => {
      connections.release(socket);
      early();
      return socket;
    });
  });
}

function asksForWebSocket({ method, httpVersion, rawHeaders }: IncomingMessage): boolean {
  const protocols = fieldValues(rawHeaders, "upgrade").join(",").toLowerCase().split(",");
  return method === "GET" && httpVersion === "1.1" && protocols.some((name) => name.trim() === "websocket");
}

function headWithoutUpgrade({ method = "", url = "", httpVersion, rawHeaders }: IncomingMessage): Buffer {
  return headBytes(`${method} ${url} HTTP/${httpVersion}`, withoutFields(rawHeaders, upgradeField));
}

/** Reads on, to see a client that leaves. @returns a function that ends that and puts back what was read. */
function keepEarlyBytes(socket: Socket, head: Buffer): () => void {
  const chunks = [head];
  let bytes = head.length;
  const onData = (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxEarlyBytes) {
      socket.pause();
    }
  };
  const onEnd = () => socket.destroy();
  socket.on("data", onData);
  socket.on("end", onEnd);
  socket.on("error", () => undefined);
  return () => {
    socket.off("data", onData);
    socket.off("end", onEnd);
    socket.pause();
    socket.unshift(Buffer.concat(chunks));
  };
}
