// In JavaScript: the packages it needs are installed for the benchmark alone, and their types with them.
import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import { Proxy } from "http-mitm-proxy";

const [, , authorityFile, secret, folder] = process.argv.slice(2);
const proxy = new Proxy();
proxy.onError(() => undefined);
proxy.onRequest((context, next) => {
  context.proxyToServerRequestOptions.headers.authorization = `Bearer ${secret}`;
  next();
});
proxy.listen(
  {
    host: "127.0.0.1",
    port: 0,
    sslCaDir: folder,
    keepAlive: true,
    httpsAgent: new Agent({ keepAlive: true, ca: readFileSync(authorityFile) }),
  },
  () => console.log(JSON.stringify({ port: proxy.httpPort })),
);
