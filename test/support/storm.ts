// Sends many requests to a mapped host through the gateway of the terminal that it runs in.
//
//   node storm.ts HOST COUNT [REQUESTS PER SECOND]
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { openTls, requestHead } from "./wire.ts";

const [host = "", count = "1", rate] = process.argv.slice(2);
const connections = 8;
/** Milliseconds between two requests of one connection. */
const pause = rate === undefined ? 0 : (1000 * connections) / Number(rate);
const proxy = new URL(process.env["HTTPS_PROXY"] ?? "");
const endpoint = {
  port: Number(proxy.port),
  username: decodeURIComponent(proxy.username),
  password: decodeURIComponent(proxy.password),
};
const ca = await readFile(process.env["SSL_CERT_FILE"] ?? "", "utf8");
let left = Number(count);

await Promise.all(
  Array.from({ length: connections }, async () => {
    const wire = await openTls(endpoint, `${host}:443`, { ca });
    for (let due = performance.now(); left-- > 0; due += pause) {
      wire.send(requestHead("GET /v1/storm", `Host: ${host}`));
      const { status } = await wire.answer();
      if (status !== 200) {
        throw new Error(`status ${status}`);
      }
      // By the clock: what one pause is late must not add up.
      const early = due + pause - performance.now();
      if (pause > 0 && early > 0) {
        await delay(early);
      }
    }
    wire.socket.destroy();
  }),
);
