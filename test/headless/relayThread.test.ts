// The gateway thread of an editor whose team has a gateway: it relays, and keeps nothing itself.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { proxyUrl } from "../../src/core/terminalEnvironment.ts";
import { GatewayClient } from "../../src/doctor/gatewayClient.ts";
import { certificatesIn } from "../../src/gateway/trustBundle.ts";
import { type StartResult } from "../../src/shared/gatewayProtocol.ts";
import { TestAuthority } from "../support/certificates.ts";
import { type Fixture, secrets, startFixture } from "../support/gatewayFixture.ts";
import { mappings } from "../support/headlessWorld.ts";
import { openTls, requestHead } from "../support/wire.ts";
import { ThreadSuite } from "./threadSuite.ts";

const agent = { username: "laptop-7", password: "a-password-of-the-team" };

describe("The gateway thread as a relay to a team's gateway", () => {
  const suite = ThreadSuite.use();
  let team: Fixture;
  let listener: TestAuthority;

  before(async () => {
    listener = await TestAuthority.create("Team listener CA");
    const { cert: certificate, key } = await listener.issue({ names: ["localhost"] });
    const passwordHash = createHash("sha256").update(agent.password).digest();
    team = await startFixture({
      tls: { certificate, key },
      agents: [{ name: agent.username, passwordHash }],
    });
  });
  after(() => team.stop());
  beforeEach(() => team.upstream.reset());

  function start({
    password = agent.password,
    port = team.endpoint.port,
    extra = [listener.certificate],
  } = {}) {
    const proxy = proxyUrl({ ...agent, password, port })
      .replace("http://", "https://")
      .replace("127.0.0.1", "localhost");
    return suite.start({
      relay: { proxy, certificate: team.pems.certificate },
      // All of it is for a gateway that does the work itself.
      parentProxy: "http://127.0.0.1:1",
      noProxy: ["*"],
      storedSecrets: [{ hostname: "api.openai.com", name: "ours", value: "not-for-the-team" }],
      extraCaCertificates: extra,
    });
  }

  const check = async () => (await suite.thread.failed({ type: "checkRelay" })).message;
  const client = ({ endpoint }: StartResult) => new GatewayClient(proxyUrl(endpoint));

  it("has terminals trust the team's CA, and the team's gateway set the secret", async () => {
    const { endpoint, files } = await start();
    await suite.thread.done({ type: "checkRelay" });
    const [ca] = certificatesIn(team.pems.certificate);
    assert.deepEqual(certificatesIn(await readFile(files.ca, "utf8")), [ca]);
    for (const file of [files.bundle, files.additions]) {
      assert.ok(certificatesIn(await readFile(file, "utf8")).includes(ca!));
    }
    const wire = await openTls(endpoint, "api.openai.com:443", { ca: await readFile(files.ca, "utf8") });
    wire.send(requestHead("GET /v1/models", "Host: api.openai.com"));
    assert.equal((await wire.answer()).status, 200);
    wire.socket.destroy();
    assert.equal(team.upstream.received[0]?.headers.authorization, `Bearer ${secrets.openai}`);
  });

  it("keeps the agent's password out of what terminals are given", async () => {
    const started = await start();
    assert.ok(!JSON.stringify(started).includes(agent.password));
  });

  it("takes no mapping, no stored secret and no account", async () => {
    await start();
    for (const message of [
      { type: "setMappings", mappings: [...mappings] },
      { type: "setStoredSecrets", storedSecrets: [] },
      { type: "useAccount", token: suite.world.service.token },
      { type: "connect", token: suite.world.service.token },
    ]) {
      const { code, message: text } = await suite.thread.failed(message);
      assert.deepEqual([code, /relays to another/.test(text)], ["bad-request", true]);
    }
  });

  it("leads the doctor to the team's gateway: its help, its run, its echo", async () => {
    const started = await start();
    const doctor = client(started);
    assert.equal((await doctor.help()).mappings.length, 3);
    const run = await doctor.open();
    assert.deepEqual(certificatesIn(run.ca), certificatesIn(team.pems.certificate));
    const host = `probe-1.${run.domain}`;
    const wire = await openTls(started.endpoint, `${host}:443`, { ca: run.ca });
    wire.send(requestHead("GET /", `Host: ${host}`));
    assert.equal((await wire.answer()).status, 200);
    wire.socket.destroy();
    assert.equal((await doctor.evidence(run)).hosts["probe-1"]?.arrived, 1);
    await doctor.close(run);
  });

  it("says why the team's gateway is of no use: login, address, certificate", async () => {
    await start({ password: "another password" });
    assert.match(await check(), /The team gateway answered 407 .*user name and password/);
  });

  it("says that nobody answers", async () => {
    await start({ port: 1 });
    assert.match(await check(), /The team gateway cannot be reached \(localhost:1/);
  });

  it("says that the proxy's certificate is not trusted", async () => {
    await start({ extra: [] });
    assert.match(await check(), /team gateway.*certificate/i);
  });

  it("does not start where the proxy's URL is none, and repeats nothing of it", async () => {
    const relay = { proxy: "ftp://user:hidden-word@host", certificate: team.pems.certificate };
    const options = await suite.options({ relay });
    const { message } = await suite.thread.failed({ type: "start", options });
    assert.match(message, /The URL of the team gateway's proxy has the scheme ftp/);
    assert.ok(!message.includes("hidden-word"));
  });
});
