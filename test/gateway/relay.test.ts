// A gateway whose parent is another gateway: what an editor runs for a team's.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { parseParentProxy } from "../../src/core/parentProxy.ts";
import { proxyUrl } from "../../src/core/terminalEnvironment.ts";
import { CertificateAuthority, createAuthority } from "../../src/gateway/certificateAuthority.ts";
import { Gateway } from "../../src/gateway/gateway.ts";
import { type ActivityRecord } from "../../src/shared/gatewayProtocol.ts";
import { TestAuthority } from "../support/certificates.ts";
import { type Fixture, secrets, startFixture } from "../support/gatewayFixture.ts";
import { openHttp2, ask as askHttp2 } from "../support/http2.ts";
import { recordingLogger } from "../support/logger.ts";
import { proxyTls } from "../support/proxyTls.ts";
import {
  assertRefusal,
  basicAuthorization,
  connectTo,
  openConnection,
  openTls,
  requestHead,
} from "../support/wire.ts";

const agent = { username: "laptop-7", password: "a-password-of-the-team" };

for (const scheme of ["http", "https"] as const) {
  describe(`a gateway that relays to another, by ${scheme}`, () => {
    let team: Fixture;
    let local: Gateway;
    let listener: TestAuthority;
    const ca = () => team.pems.certificate;

    before(async () => {
      listener = await TestAuthority.create("Team CA");
      const { cert: certificate, key } = await listener.issue({ names: ["127.0.0.1"] });
      const passwordHash = createHash("sha256").update(agent.password).digest();
      team = await startFixture({
        tls: scheme === "https" ? { certificate, key } : undefined,
        agents: [{ name: agent.username, passwordHash }],
      });
      local = await startLocal(agent.password);
    });
    after(async () => {
      await local.stop();
      await team.stop();
    });
    beforeEach(() => team.upstream.reset());

    async function startLocal(password: string, port = team.endpoint.port): Promise<Gateway> {
      const url = proxyUrl({ ...agent, password, port }).replace(/^http/, scheme);
      return Gateway.start({
        mappings: [],
        authority: await CertificateAuthority.open(await createAuthority()),
        trustedRoots: [listener.certificate],
        parentProxy: { ...parseParentProxy(url), title: "team gateway" },
        relay: true,
        tls: await proxyTls(),
        logger: recordingLogger(),
      });
    }

    const plain = async (target: string, gateway = local) => {
      const wire = await openConnection(gateway.endpoint);
      const { host } = new URL(target);
      wire.send(
        requestHead(`GET ${target}`, `Host: ${host}`, basicAuthorization(gateway.endpoint).trimEnd()),
      );
      const answer = await wire.answer();
      wire.socket.destroy();
      return answer;
    };

    it("has the other set the secret, which is in nothing that passes here but the answer's request", async () => {
      const recorded = new Promise<ActivityRecord>((resolve) => {
        const stop = team.gateway.activity.subscribe((record) => {
          stop();
          resolve(record);
        });
      });
      const wire = await openTls(local.endpoint, "api.openai.com:443", { ca: ca() });
      wire.send(requestHead("GET /v1/models", "Host: api.openai.com"));
      assert.equal((await wire.answer()).status, 200);
      wire.socket.destroy();
      assert.equal(team.upstream.received[0]?.headers.authorization, `Bearer ${secrets.openai}`);
      assert.equal((await recorded).agent, agent.username);
    });

    it("carries HTTP/2 from end to end", async () => {
      const session = await openHttp2(local.endpoint, "api.openai.com:443", ca());
      assert.equal((await askHttp2(session, { ":path": "/", ":authority": "api.openai.com" })).status, 200);
      session.destroy();
    });

    it("shows the other's refusals as they are", async () => {
      assertRefusal(await plain("http://api.openai.com/"), 403, "insecure-request");
      assert.equal(team.upstream.received.length, 0);
    });

    it("leads to the other's own pages: help, and the doctor's echo", async () => {
      const help = JSON.parse((await plain("http://onecli.internal/")).body) as { mappings: unknown[] };
      assert.equal(help.mappings.length, 3);
    });

    it("says that the other cannot be reached, or does not take the login", async () => {
      const wrong = await startLocal("another password");
      const { answer, wire } = await connectTo(wrong.endpoint, "api.openai.com:443");
      assert.equal(answer.status, 502);
      wire.socket.destroy();
      const refused = assertRefusal(
        await plain("http://unmapped.example/", wrong),
        502,
        "upstream-unreachable",
      );
      assert.match(refused, /The team gateway answered 407 .* does not accept the user name and password/);
      await wrong.stop();
      const nowhere = await startLocal(agent.password, 1);
      const gone = assertRefusal(
        await plain("http://unmapped.example/", nowhere),
        502,
        "upstream-unreachable",
      );
      assert.match(gone, /The team gateway cannot be reached \(127\.0\.0\.1:1/);
      await nowhere.stop();
    });
  });
}
