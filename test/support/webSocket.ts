// WebSockets for tests, both ends by `ws`.
import { type IncomingMessage } from "node:http";
import { type TLSSocket } from "node:tls";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { type GatewayEndpoint } from "../../src/core/terminalEnvironment.ts";
import { openTlsSocket } from "./wire.ts";

interface ConnectOptions {
  readonly ca: string;
  readonly path?: string;
  readonly protocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** A WebSocket that is being opened to a mapped host, over HTTP/1.1. */
export async function openWebSocket(
  endpoint: GatewayEndpoint,
  host: string,
  { ca, path = "/", protocols = [], headers = {} }: ConnectOptions,
): Promise<{ socket: WebSocket; tls: TLSSocket }> {
  const tls = await openTlsSocket(endpoint, `${host}:443`, { ca });
  const socket = new WebSocket(`wss://${host}${path}`, [...protocols], {
    createConnection: () => tls,
    headers,
  });
  return { socket, tls };
}

/** How a handshake ended: open, or refused with an answer. */
export function handshakeOf(
  socket: WebSocket,
): Promise<{ status: number; headers: IncomingMessage["headers"]; body: string }> {
  return new Promise((resolve, reject) => {
    let headers: IncomingMessage["headers"] = {};
    socket.once("upgrade", (answer: IncomingMessage) => (headers = answer.headers));
    socket.once("open", () => resolve({ status: 101, headers, body: "" }));
    socket.once("unexpected-response", (_request, answer: IncomingMessage) => {
      let body = "";
      answer.on("data", (chunk: Buffer) => (body += chunk.toString()));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }));
    });
    socket.once("error", reject);
  });
}

/** Takes over a connection as a server whose handshake somebody else has answered, or answers it. */
export function echoServer(options: ConstructorParameters<typeof WebSocketServer>[0] = {}): WebSocketServer {
  const server = new WebSocketServer({ noServer: true, ...options });
  server.on("connection", (socket) => {
    socket.on("message", (data: RawData, isBinary: boolean) => socket.send(data, { binary: isBinary }));
    socket.on("error", () => undefined);
  });
  return server;
}
