import assert from "node:assert/strict";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { CertificateAuthority, createAuthority } from "../../src/gateway/certificateAuthority.ts";
import { Gateway } from "../../src/gateway/gateway.ts";
import { type Fixture, startFixture } from "../support/gatewayFixture.ts";
import { recordingLogger } from "../support/logger.ts";
import { assertRefusal, basicAuthorization, openConnection, requestHead } from "../support/wire.ts";

describe("the listener", () => {
  let fixture: Fixture;
  before(async () => (fixture = await startFixture()));
  after(() => fixture.stop());
  beforeEach(() => fixture.upstream.reset());

  const target = "api.openai.com:443";

  /** Sends text on a new connection and reads one answer. */
  async function ask(text: string) {
    const wire = await openConnection(fixture.endpoint);
    wire.send(text);
    const answer = await wire.answer();
    return { wire, answer };
  }

  function base64(text: string): string {
    return Buffer.from(text, "latin1").toString("base64");
  }

  const password = () => fixture.endpoint.password;

  const wrong: readonly (readonly [string, () => readonly string[]])[] = [
    ["no credential", () => []],
    [
      "another password of the same length",
      () => [`Basic ${base64(`onecli:${"x".repeat(password().length)}`)}`],
    ],
    ["a password that is a prefix", () => [`Basic ${base64(`onecli:${password().slice(0, -1)}`)}`]],
    ["a password with something behind it", () => [`Basic ${base64(`onecli:${password()}x`)}`]],
    ["another user", () => [`Basic ${base64(`root:${password()}`)}`]],
    ["no user", () => [`Basic ${base64(`:${password()}`)}`]],
    ["another scheme with the right password", () => [`Bearer ${password()}`]],
    ["another scheme with the right pair", () => [`Digest ${base64(`onecli:${password()}`)}`]],
    ["the pair without base64", () => [`Basic onecli:${password()}`]],
    ["a scheme alone", () => ["Basic"]],
    ["an empty field", () => [""]],
    ["no base64 at all", () => ["Basic \u00ff\u00fe!!"]],
  ];
  for (const [what, credentials] of wrong) {
    it(`answers ${what} with 407 and a challenge, to CONNECT and to http alike (contract 2)`, async () => {
      const fields = credentials().map((value) => `Proxy-Authorization: ${value}`);
      for (const line of [`CONNECT ${target}`, "GET http://unmapped.example/"]) {
        const { answer } = await ask(requestHead(line, "Host: api.openai.com", ...fields));
        assertRefusal(answer, 407, "proxy-authentication-required");
        assert.equal(answer.headers["proxy-authenticate"], 'Basic realm="OneCLI"');
      }
      assert.equal(fixture.upstream.received.length, 0);
    });
  }

  it("takes the right credential, whatever the case of its scheme (contract 2)", async () => {
    for (const scheme of ["Basic", "basic", "BASIC"]) {
      const wire = await openConnection(fixture.endpoint);
      const credential = base64(`onecli:${password()}`);
      wire.send(
        requestHead(`CONNECT ${target}`, `Host: ${target}`, `Proxy-Authorization: ${scheme} ${credential}`),
      );
      assert.equal((await wire.head()).status, 200);
      wire.socket.destroy();
    }
  });

  it("shows nothing of the password in an answer or in the log", async () => {
    const { answer } = await ask(
      requestHead("GET http://unmapped.example/", "Host: x", `Proxy-Authorization: Bearer ${password()}`),
    );
    assert.ok(!JSON.stringify(answer).includes(password()));
    assert.ok(!fixture.logger.lines.join("\n").includes(password()));
  });

  it("refuses origin-form with 400 (contract 9)", async () => {
    const authorization = basicAuthorization(fixture.endpoint).trimEnd();
    const { answer } = await ask(requestHead("GET /v1/models", "Host: api.openai.com", authorization));
    assertRefusal(answer, 400, "bad-request");
    assert.equal(fixture.upstream.received.length, 0);
  });

  it("refuses absolute https:// with 400 and names CONNECT (contract 9)", async () => {
    const authorization = basicAuthorization(fixture.endpoint).trimEnd();
    for (const url of ["https://api.openai.com/v1/models", "HTTPS://unmapped.example/"]) {
      const { answer } = await ask(requestHead(`GET ${url}`, "Host: api.openai.com", authorization));
      assert.match(assertRefusal(answer, 400, "bad-request"), /CONNECT/);
    }
    assert.equal(fixture.upstream.received.length, 0);
  });

  for (const bad of [
    "api.openai.com",
    "api.openai.com:0",
    "api.openai.com:65536",
    "a b:443",
    "user@api.openai.com:443",
    "api..openai.com:443",
    ":443",
  ]) {
    it(`refuses CONNECT to "${bad}" with 400`, async () => {
      const { answer } = await ask(
        `CONNECT ${bad} HTTP/1.1\r\nHost: x\r\n${basicAuthorization(fixture.endpoint)}\r\n`,
      );
      assertRefusal(answer, 400, "bad-request");
    });
  }

  it("answers garbage with 400 and closes, and goes on serving", async () => {
    for (const garbage of [
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
      "\x05\x01\x00\r\n\r\n",
      "hello\r\n\r\n",
    ]) {
      const { wire, answer } = await ask(garbage);
      assertRefusal(answer, 400, "bad-request");
      await wire.closed();
    }
    const wire = await fixture.open(target);
    wire.send(requestHead("GET /", "Host: api.openai.com"));
    assert.equal((await wire.answer()).status, 200);
    wire.socket.destroy();
  });

  it("answers a request that is pipelined behind a refusal", async () => {
    const authorization = basicAuthorization(fixture.endpoint).trimEnd();
    const { wire, answer } = await ask(
      requestHead("GET /first", "Host: x", authorization) +
        requestHead("GET /second", "Host: x", authorization),
    );
    assertRefusal(answer, 400, "bad-request");
    assertRefusal(await wire.answer(), 400, "bad-request");
    wire.socket.destroy();
  });

  it("listens on 127.0.0.1 alone", async () => {
    const others = Object.values(networkInterfaces())
      .flat()
      .filter((entry) => entry !== undefined && entry.family === "IPv4" && !entry.internal)
      .map((entry) => entry!.address);
    for (const address of ["127.0.0.2", ...others]) {
      const socket = connect({ host: address, port: fixture.endpoint.port });
      const outcome = await new Promise<string>((resolve) => {
        socket.once("connect", () => resolve("connected"));
        socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
      });
      socket.destroy();
      assert.notEqual(outcome, "connected", address);
    }
  });

  it("says EADDRINUSE when its port is taken, and takes a password of an earlier run", async () => {
    const options = {
      mappings: [],
      authority: await CertificateAuthority.open(await createAuthority()),
      trustedRoots: [],
      logger: recordingLogger(),
    };
    await assert.rejects(Gateway.start({ ...options, port: fixture.endpoint.port }), { code: "EADDRINUSE" });
    const gateway = await Gateway.start({ ...options, password: "of an earlier run" });
    assert.equal(gateway.endpoint.password, "of an earlier run");
    await gateway.stop();
  });

  it("makes a password of 256 bits", () => {
    assert.match(password(), /^[\w-]{43}$/);
  });
});
