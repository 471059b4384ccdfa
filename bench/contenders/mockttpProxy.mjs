// In JavaScript: the packages it needs are installed for the benchmark alone, and their types with them.
import { readFileSync } from "node:fs";
import { getLocal } from "mockttp";

const [keyFile, certificateFile, authorityFile, secret] = process.argv.slice(2);
const server = getLocal({
  https: { key: readFileSync(keyFile, "utf8"), cert: readFileSync(certificateFile, "utf8") },
  recordTraffic: false,
});
const additionalTrustedCAs = [{ cert: readFileSync(authorityFile, "utf8") }];
await server.forAnyRequest().thenPassThrough({
  additionalTrustedCAs,
  transformRequest: { updateHeaders: { authorization: `Bearer ${secret}` } },
});
await server.forAnyWebSocket().thenPassThrough({ additionalTrustedCAs });
await server.start();
console.log(JSON.stringify({ port: server.port }));
