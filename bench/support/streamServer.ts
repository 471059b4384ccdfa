// The server of uploads, events and WebSockets, a process of its own. It says its address when it listens.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { echoServer } from "../../test/support/webSocket.ts";

const [keyFile, certificateFile] = process.argv.slice(2) as [string, string];

const server = createServer(
  { key: readFileSync(keyFile), cert: readFileSync(certificateFile) },
  (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "https://server");
    if (pathname === "/events") {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const send = () => response.write(`data: ${process.hrtime.bigint()}\n\n`);
      send();
      const timer = setInterval(send, Number(searchParams.get("every")));
      response.on("close", () => clearInterval(timer));
      return;
    }
    let bytes = 0;
    request.on("data", (chunk: Buffer) => (bytes += chunk.length));
    request.on("end", () => response.end(String(bytes)));
  },
);
server.keepAliveTimeout = 0;
const echo = echoServer();
server.on("upgrade", (request, socket, head) => {
  echo.handleUpgrade(request, socket, head, (webSocket) => echo.emit("connection", webSocket));
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify(server.address())));
