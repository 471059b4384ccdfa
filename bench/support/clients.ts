// Connections to a server through a proxy, for what the programs in C do not do.
import { type EventEmitter, once } from "node:events";
import { connect as connectTcp } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { type Running } from "../contenders/contender.ts";

/** Opens TLS to an origin, by CONNECT where there is a proxy. */
export async function openTls({ proxy }: Running, origin: string): Promise<TLSSocket> {
  const { hostname, port: ownPort } = new URL(origin);
  const port = ownPort === "" ? "443" : ownPort;
  // The authority that a peer signs with is its own; what is measured is the same either way.
  const options = { rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] };
  if (proxy === undefined) {
    const direct = connectTls({ host: hostname, port: Number(port), ...options });
    await once(direct, "secureConnect");
    return direct.setNoDelay(true);
  }
  const raw = connectTcp({ host: proxy.hostname, port: Number(proxy.port), noDelay: true });
  await once(raw, "connect");
  const login = Buffer.from(`${proxy.username}:${proxy.password}`).toString("base64");
  const authorization = proxy.username === "" ? "" : `Proxy-Authorization: Basic ${login}\r\n`;
  raw.write(`CONNECT ${hostname}:${port} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n${authorization}\r\n`);
  let answer = "";
  while (!answer.includes("\r\n\r\n")) {
    const [chunk] = (await once(raw, "data")) as [Buffer];
    answer += chunk.toString("latin1");
  }
  if (!/^HTTP\/1\.[01] 200 /.test(answer)) {
    throw new Error(`CONNECT was answered ${answer.split("\r\n")[0] ?? ""}`);
  }
  const socket = connectTls({ socket: raw, ...options });
  await once(socket, "secureConnect");
  return socket;
}

/** Whoever waits for something on a connection is told of its end: {@link once} waits for errors alone. */
export function failAtClose(connection: EventEmitter): void {
  connection.once("close", () => {
    if (connection.listenerCount("error") > 0) {
      connection.emit("error", new Error("the connection was closed"));
    }
  });
}

/** The head of a GET for an origin. */
export function getHead(origin: string, path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${new URL(origin).host}\r\n\r\n`;
}
