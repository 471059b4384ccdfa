import assert from "node:assert/strict";
import { parseServiceAccountToken } from "../../src/core/serviceAccountToken.ts";
import { connectAccount } from "../../src/gateway/gateway.ts";
import { OnePassword } from "../../src/secrets/onePassword.ts";
import { type Fixture, startFixture } from "../support/gatewayFixture.ts";
import { assertRefusal, requestHead } from "../support/wire.ts";

describe("the account", () => {
  let fixture: Fixture;
  before(async () => (fixture = await startFixture()));
  after(() => fixture.stop());
  beforeEach(() => {
    fixture.upstream.reset();
    fixture.service.clearFaults();
    fixture.service.restore();
    connectAgain();
    fixture.service.clearRequests();
  });

  /** A source without a memory, and with the rest of no cooldown. */
  function connectAgain(options: { timeoutMs?: number } = {}): void {
    const token = parseServiceAccountToken(fixture.service.token);
    fixture.gateway.connect(new OnePassword({ token, integrationVersion: "0.0.0-test", ...options }));
  }

  async function ask(host: string) {
    const wire = await fixture.open(`${host}:443`);
    wire.send(requestHead("GET /", `Host: ${host}`));
    const answer = await wire.answer();
    wire.socket.destroy();
    return answer;
  }

  /** The refusal of a request, which must not have reached the upstream. */
  async function refusal(host: string, status: number, code: Parameters<typeof assertRefusal>[2]) {
    const answer = await ask(host);
    assertRefusal(answer, status, code);
    assert.equal(fixture.upstream.received.length, 0);
    return answer;
  }

  it("is asked nothing when the gateway starts, and without one the answer is not-connected (contract 1)", async () => {
    const unconnected = await startFixture();
    unconnected.gateway.disconnect();
    const wire = await unconnected.open("api.openai.com:443");
    wire.send(requestHead("GET /", "Host: api.openai.com"));
    assertRefusal(await wire.answer(), 424, "not-connected");
    assert.deepEqual(unconnected.service.requests, []);
    wire.socket.destroy();
    unconnected.gateway.connect(unconnected.account);
    assert.deepEqual(unconnected.service.requests, []);
    await unconnected.stop();
    assert.deepEqual(unconnected.service.requests, []);
  });

  it("that is gone is answered token-invalid, and asked once in a while (contract 17)", async () => {
    fixture.service.revoke();
    await refusal("api.openai.com", 424, "token-invalid");
    fixture.service.clearRequests();
    await refusal("api.github.com", 424, "token-invalid");
    assert.deepEqual(fixture.service.requests, []);
  });

  it("is left alone as a whole after a rate limit; cached values are served (contracts 4, 17)", async () => {
    assert.equal((await ask("api.openai.com")).status, 200);
    fixture.upstream.reset();
    fixture.service.fault({ status: 429 });
    const answer = await refusal("api.github.com", 503, "onepassword-rate-limited");
    assert.ok(Number(answer.headers["retry-after"]) <= 60);
    fixture.service.clearRequests();
    await refusal("api.github.com", 503, "onepassword-rate-limited");
    await refusal("api.anthropic.com", 503, "onepassword-rate-limited");
    assert.equal((await ask("api.openai.com")).status, 200);
    assert.deepEqual(fixture.service.requests, []);
  });

  for (const fault of [{ status: 500 }, { status: 503 }, { drop: true }] as const) {
    it(`answers an outage (${JSON.stringify(fault)}) with 503 onepassword-unreachable and retry-after (contract 4)`, async () => {
      fixture.service.fault(fault);
      await refusal("api.openai.com", 503, "onepassword-unreachable");
    });
  }

  it("is waited for without taking more than little of a request's body (contracts 12, 14)", async () => {
    connectAgain({ timeoutMs: 300 });
    fixture.service.fault({ hang: true });
    const wire = await fixture.open("api.openai.com:443");
    const size = 64 << 20;
    wire.send(requestHead("POST /", "Host: api.openai.com", `Content-Length: ${size}`));
    wire.socket.write(Buffer.alloc(size));
    assertRefusal(await wire.answer(), 503, "onepassword-unreachable");
    assert.ok(wire.socket.writableLength > size / 2, `${wire.socket.writableLength} bytes were not taken`);
    // The rest is read and dropped, and the connection goes on.
    fixture.service.clearFaults();
    connectAgain();
    wire.send(requestHead("GET /", "Host: api.openai.com"));
    assert.equal((await wire.answer()).status, 200);
    wire.socket.destroy();
  });

  it("that takes too long is answered onepassword-unreachable, to all who wait for it at once (contract 16)", async () => {
    connectAgain({ timeoutMs: 300 });
    fixture.service.fault({ hang: true });
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask("api.openai.com")));
    for (const answer of answers) {
      assertRefusal(answer, 503, "onepassword-unreachable");
    }
    assert.equal(fixture.service.countSignIns(), 1);
    assert.equal(fixture.upstream.received.length, 0);
  });

  it("that is disconnected while a secret is read gives none: not-connected", async () => {
    const edit = (content: unknown) => {
      fixture.gateway.disconnect();
      return content;
    };
    fixture.service.fault({ route: /items\/overviews/, edit });
    await refusal("api.openai.com", 424, "not-connected");
    assert.ok(fixture.service.countReads() > 0);
  });

  it("takes its values along when it is disconnected", async () => {
    await ask("api.openai.com");
    fixture.gateway.disconnect();
    fixture.upstream.reset();
    await refusal("api.openai.com", 424, "not-connected");
  });

  it("is not asked with a token that is malformed or names a foreign server (contract 30)", async () => {
    const tokens = [
      "",
      "ops_",
      "ops_e30",
      "xyz",
      fixture.service.account.tokenWith({ signInAddress: "https://evil.com" }),
    ];
    for (const token of tokens) {
      await assert.rejects(connectAccount(fixture.gateway, token), { code: "token-invalid" });
    }
    assert.deepEqual(fixture.service.requests, []);
    assert.equal((await ask("api.openai.com")).status, 200, "the account before goes on");
  });
});
