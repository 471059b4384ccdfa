// A gateway with one of everything under way is stopped, and the process must then end by itself; stopping.test.ts
// runs this and keeps the servers.
import { CertificateAuthority, createAuthority } from "../../src/gateway/certificateAuthority.ts";
import { connectAccount, Gateway } from "../../src/gateway/gateway.ts";
import { parseParentProxy } from "../../src/core/parentProxy.ts";
import { defaultMappings, mappingsOf } from "../support/gatewayFixture.ts";
import { recordingLogger } from "../support/logger.ts";
import { basicAuthorization, connectTo, openConnection, openTls, requestHead } from "../support/wire.ts";

const [parentUrl = "", root = "", token = ""] = process.argv.slice(2);
const authority = await CertificateAuthority.open(await createAuthority());
const gateway = await Gateway.start({
  mappings: mappingsOf(defaultMappings),
  authority,
  trustedRoots: [root],
  parentProxy: parseParentProxy(parentUrl),
  logger: recordingLogger(),
  // Longer than the test waits: what is being opened must be given up.
  limits: { connect: 60_000 },
});
await connectAccount(gateway, token);
const { endpoint } = gateway;

const dialling = await openConnection(endpoint);
dialling.send(requestHead("CONNECT held.example:443", basicAuthorization(endpoint).trimEnd()));
const opening = await openTls(endpoint, "api.github.com:443", { ca: authority.certificate });
opening.send(requestHead("GET /", "Host: api.github.com"));
const mapped = await openTls(endpoint, "api.openai.com:443", { ca: authority.certificate });
mapped.send(requestHead("GET /", "Host: api.openai.com"));
const { status } = await mapped.answer();
mapped.send(requestHead("GET /never-answered", "Host: api.openai.com"));
const tunnel = await connectTo(endpoint, "unmapped.example:443");
const handshake = await connectTo(endpoint, "api.openai.com:443");
const silent = await openConnection(endpoint);

await gateway.stop();
for (const { socket } of [dialling, opening, mapped, tunnel.wire, handshake.wire, silent]) {
  socket.destroy();
}
console.log(`served ${status}, stopped`);
