// The SDK's own traffic. 1Password has its real name here, which leads to the local service by the parent proxy alone.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { isOneCliError, type OneCliError } from "../../src/core/errors.ts";
import { parseSecretReference } from "../../src/core/secretReference.ts";
import { connectAccount } from "../../src/gateway/gateway.ts";
import { parseParentProxy } from "../../src/core/parentProxy.ts";
import { TestAuthority } from "../support/certificates.ts";
import { type Fixture, secrets, startFixture } from "../support/gatewayFixture.ts";
import { type LeadingProxy } from "../support/leadingProxy.ts";
import { parentKinds, startParent, wantLogin } from "../support/parents.ts";
import { SocksProxy } from "../support/socksProxy.ts";
import { TlsInspection } from "../support/tlsInspection.ts";
import { RawServer } from "../support/upstreamServer.ts";
import { assertRefusal, requestHead, type WireAnswer } from "../support/wire.ts";

const host = "api.openai.com";
const reference = "op://API Keys/OpenAI/api-key";
const mappings = [{ hostname: host, reference }];
const onePassword = "my.1password.com";

async function askMapped(fixture: Fixture): Promise<WireAnswer> {
  const wire = await fixture.open(`${host}:443`);
  wire.send(requestHead("GET /v1/models", `Host: ${host}`));
  const answer = await wire.answer();
  wire.socket.destroy();
  return answer;
}

/** A token of the fixture's account, with the address that a real one has. */
function tokenOf({ service }: Fixture): string {
  return service.account.tokenWith({ signInAddress: `https://${onePassword}` });
}

/** What the person reads who connects an account. */
async function failureOf(fixture: Fixture): Promise<OneCliError> {
  const error: unknown = await connectAccount(fixture.gateway, tokenOf(fixture)).then(
    () => assert.fail("it connected"),
    (thrown: unknown) => thrown,
  );
  assert.ok(isOneCliError(error, "onepassword-unreachable"), String(error));
  return error;
}

/** 1Password's own server, as one that holds a certificate of this authority. */
function startOnePassword(authority: TestAuthority, { service }: Fixture): Promise<TlsInspection> {
  const port = Number(new URL(service.address).port);
  return TlsInspection.start(authority, [onePassword], () => connect(port, "127.0.0.1"));
}

for (const kind of parentKinds) {
  describe(`1Password behind a parent proxy of the kind ${kind}`, () => {
    let authority: TestAuthority;
    let parent: LeadingProxy | SocksProxy;
    let fixture: Fixture;
    let server: TlsInspection;

    beforeEach(async () => {
      authority = await TestAuthority.create("Company CA");
      parent = await startParent(kind, authority);
    });
    afterEach(async () => {
      await fixture.stop();
      await parent.idle();
      await Promise.all([parent.close(), server.close()]);
    });

    async function start(url = parent.url, options: Parameters<typeof startFixture>[0] = {}): Promise<void> {
      fixture = await startFixture({
        mappings,
        upstreamAuthority: authority,
        parentProxy: parseParentProxy(url),
        ...options,
      });
      server = await startOnePassword(authority, fixture);
      parent.routes.set(`${onePassword}:443`, server.port);
      parent.routes.set(`${host}:443`, fixture.upstream.port);
    }

    it("is asked through it: the sign-in, values, and values that were changed (contract 23)", async () => {
      await start();
      const connected = await connectAccount(fixture.gateway, tokenOf(fixture));
      assert.deepEqual(connected, { account: onePassword, vaults: 2 });
      assert.equal((await askMapped(fixture)).status, 200);
      fixture.service.rotate("API Keys", "OpenAI", "api-key", "sk-rotated");
      fixture.gateway.invalidate(parseSecretReference(reference));
      assert.equal((await askMapped(fixture)).status, 200);
      const sent = fixture.upstream.received.map(({ headers }) => headers.authorization);
      assert.deepEqual(sent, [`Bearer ${secrets.openai}`, "Bearer sk-rotated"]);
      assert.deepEqual([...new Set(parent.asked)].sort(), [`${host}:443`, `${onePassword}:443`]);
      assert.deepEqual(parent.askedLocally, []);
      if (parent instanceof SocksProxy) {
        assert.deepEqual([...new Set(parent.types)], [3], "names are left to the proxy (contract 41)");
      }
    });

    it("is not reached when it wants a login: named, with the fix, without the login (contract 29)", async () => {
      wantLogin(parent, "user", "password");
      await start();
      const { message } = await failureOf(fixture);
      assert.match(
        message,
        /^1Password could not be reached\. The parent proxy .*wants a login, so put user:/,
      );
      await fixture.stop();
      await server.close();
      await start(parent.url.replace("://", "://user:S3CR3T@"));
      const refused = await failureOf(fixture);
      assert.match(refused.message, /The parent proxy .*does not accept the user name and password/);
      assert.doesNotMatch(refused.message, /S3CR3T/);
      await fixture.stop();
      await server.close();
      await start(parent.url.replace("://", "://user:password@"));
      assert.equal((await connectAccount(fixture.gateway, tokenOf(fixture))).vaults, 2);
    });

    it("is not reached when it refuses: agents are told as well, and it is when it no longer does (contract 29)", async () => {
      await start();
      const refuse = (refuses: boolean) => {
        if (parent instanceof SocksProxy) {
          parent.replyWith = refuses ? 2 : undefined;
        } else {
          parent.refuseWith = refuses ? 403 : undefined;
        }
      };
      refuse(true);
      const { message } = await failureOf(fixture);
      assert.match(
        message,
        /^1Password could not be reached\. The parent proxy .*my\.1password\.com.*not allow/,
      );
      const answer = assertRefusal(await askMapped(fixture), 503, "onepassword-unreachable");
      assert.match(answer, /1Password could not be reached\. The parent proxy .*not allow/);
      const warnings = fixture.logger.lines.filter((line) =>
        line.startsWith("warn 1Password cannot be reached."),
      );
      // Two accounts were asked for: the one that was refused, and the fixture's own at its address.
      assert.equal(warnings.length, 2);
      refuse(false);
      assert.equal((await connectAccount(fixture.gateway, tokenOf(fixture))).vaults, 2);
      assert.equal((await askMapped(fixture)).status, 200);
    });

    it("is not reached when it hangs (contract 29)", async () => {
      parent.silent = true;
      await start(parent.url, { limits: { connect: 300 } });
      const { message } = await failureOf(fixture);
      assert.match(message, /did not accept a connection through the parent proxy within/);
    });

    it("is not reached when it is not there, or speaks no sense (contract 29)", async () => {
      const gone = await RawServer.start();
      const url = parent.url.replace(/\d+$/, String(gone.port));
      await gone.close();
      await start(url);
      assert.match((await failureOf(fixture)).message, /The parent proxy cannot be reached \(127\.0\.0\.1:/);
      await fixture.stop();
      await server.close();
      await start();
      parent.answerWith = "SSH-2.0-OpenSSH_9.6\r\n";
      assert.match(
        (await failureOf(fixture)).message,
        /The parent proxy gave an answer that is no (HTTP|SOCKS 5)/,
      );
    });

    it("is let go when the gateway stops while it is being asked (contract 19)", async () => {
      parent.silent = true;
      await start();
      const asked = parent.nextAsked();
      const failed = failureOf(fixture);
      await asked;
      await fixture.gateway.stop();
      assert.match((await failed).message, /stopping/);
    });

    it("is asked past it where noProxy covers its host (contract 42)", async () => {
      await start(parent.url, { noProxy: ["127.0.0.1"] });
      assert.equal((await connectAccount(fixture.gateway, fixture.service.token)).vaults, 2);
      assert.equal((await askMapped(fixture)).status, 200);
      assert.deepEqual([parent.asked, parent.askedLocally], [[`${host}:443`], []]);
    });
  });
}

describe("a parent proxy that inspects TLS", () => {
  let company: TestAuthority;
  let own: TestAuthority;
  let fixture: Fixture;
  let inspections: TlsInspection[];

  before(async () => {
    company = await TestAuthority.create("Inspection CA");
    own = await TestAuthority.create("Public CA");
  });
  afterEach(async () => {
    await fixture.stop();
    await Promise.all(inspections.map((inspection) => inspection.close()));
  });

  async function start(trustedRoots: readonly string[]): Promise<void> {
    fixture = await startFixture({ mappings, upstreamAuthority: own, trustedRoots });
    const { upstream, parent } = fixture;
    const upwards = () =>
      connectTls({ port: upstream.port, host: "127.0.0.1", servername: host, ca: own.certificate });
    const vendor = await TlsInspection.start(company, [host], upwards);
    const server = await startOnePassword(company, fixture);
    parent.routes.set(`${host}:443`, vendor.port);
    parent.routes.set(`${onePassword}:443`, server.port);
    inspections = [vendor, server];
  }

  it("carries 1Password and mapped hosts where its authority is trusted (contract 41)", async () => {
    await start([own.certificate, company.certificate]);
    assert.equal((await connectAccount(fixture.gateway, tokenOf(fixture))).vaults, 2);
    assert.equal((await askMapped(fixture)).status, 200);
    assert.equal(fixture.upstream.received[0]?.headers.authorization, `Bearer ${secrets.openai}`);
    assert.ok(inspections.every(({ connections }) => connections > 0));
  });

  it("is refused where it is not, with the fix, even under NODE_TLS_REJECT_UNAUTHORIZED=0 (contracts 29, 31)", async () => {
    await start([own.certificate]);
    const before = process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
    try {
      const { message } = await failureOf(fixture);
      assert.match(
        message,
        /^1Password could not be reached\. The certificate of my\.1password\.com was refused: /,
      );
      assert.match(message, /issuer is unknown.*a proxy which inspects TLS.*extraCaCertificates/);
      const mapped = assertRefusal(await askMapped(fixture), 502, "upstream-certificate");
      assert.match(mapped, /issuer is unknown.*a proxy which inspects TLS.*extraCaCertificates/);
    } finally {
      delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
      if (before !== undefined) {
        process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = before;
      }
    }
    assert.deepEqual(fixture.upstream.received, []);
  });
});
