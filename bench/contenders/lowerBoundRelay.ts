// The least that a gateway in Node can do: it ends the client's TLS, opens one TLS connection to the server for it, and
// writes the secret into the head of each request. No HTTP parser, no pool, no authentication, no record of anything.
// Requests with a body must give its length.
import { createServer, type Socket } from "node:net";
import { connect, createSecureContext, TLSSocket } from "node:tls";
import { readFileSync } from "node:fs";

const [keyFile, certificateFile, authorityFile, secret] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
];
const context = createSecureContext({ key: readFileSync(keyFile), cert: readFileSync(certificateFile) });
const trust = createSecureContext({ ca: readFileSync(authorityFile) });
const headEnd = Buffer.from("\r\n\r\n");
const field = `\r\nAuthorization: Bearer ${secret}\r\n\r\n`;

const server = createServer({ noDelay: true }, (raw) => {
  raw.on("error", () => raw.destroy());
  raw.once("data", (head) => {
    const [, host, port] = /^CONNECT ([^ ]+):(\d+) /.exec(head.toString("latin1")) ?? [];
    if (host === undefined) {
      raw.destroy();
      return;
    }
    raw.write("HTTP/1.1 200 Connection established\r\n\r\n");
    relay(raw, host, Number(port));
  });
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify(server.address())));

function relay(raw: Socket, host: string, port: number): void {
  const client = new TLSSocket(raw, { isServer: true, secureContext: context, ALPNProtocols: ["http/1.1"] });
  const upstream = connect({ host, port, secureContext: trust, ALPNProtocols: ["http/1.1"] });
  upstream.setNoDelay(true);
  for (const [socket, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    socket.on("error", () => other.destroy());
    socket.on("close", () => other.destroy());
    socket.on("drain", () => other.resume());
  }
  upstream.on("data", (chunk: Buffer) => {
    if (!client.write(chunk)) {
      upstream.pause();
    }
  });
  /** Bytes of the request's body that are still to come. */
  let bodyLeft = 0;
  client.on("data", (chunk: Buffer) => {
    if (!upstream.write(bodyLeft > 0 ? chunk : withSecret(chunk))) {
      client.pause();
    }
    bodyLeft = Math.max(0, bodyLeft - chunk.length);
  });

  function withSecret(chunk: Buffer): Buffer {
    const end = chunk.indexOf(headEnd);
    const head = chunk.toString("latin1", 0, end);
    // After an upgrade there are no heads.
    bodyLeft = /\r\nupgrade:/i.test(head)
      ? Number.POSITIVE_INFINITY
      : Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0) + end + headEnd.length;
    const rewritten = Buffer.from(head.replace(/\r\nauthorization:[^\r]*/i, "") + field, "latin1");
    const rest = chunk.subarray(end + headEnd.length);
    return rest.length === 0 ? rewritten : Buffer.concat([rewritten, rest]);
  }
}
