// Reads an event stream through the gateway of its environment until it ends, and says how long the longest silence was.
//
//   node eventClient.ts HOST PATH
import { readFile } from "node:fs/promises";
import { openTls, requestHead } from "../../test/support/wire.ts";

const [host = "", path = ""] = process.argv.slice(2);
const proxy = new URL(process.env["HTTPS_PROXY"] ?? "");
const wire = await openTls(
  {
    port: Number(proxy.port),
    username: decodeURIComponent(proxy.username),
    password: decodeURIComponent(proxy.password),
  },
  `${host}:443`,
  { ca: await readFile(process.env["SSL_CERT_FILE"] ?? "", "utf8") },
);
wire.send(requestHead(`GET ${path}`, `Host: ${host}`, "Connection: close"));
const { status } = await wire.head();
if (status !== 200) {
  throw new Error(`status ${status}`);
}
let last = performance.now();
let longest = 0;
wire.socket.on("data", () => {
  const now = performance.now();
  longest = Math.max(longest, now - last);
  last = now;
});
await wire.closed();
console.log(JSON.stringify({ longestGap: longest }));
