import assert from "node:assert/strict";
import { useAccount } from "../../src/gateway/gateway.ts";
import { type Evidence, type OpenedRun } from "../../src/shared/doctorProtocol.ts";
import {
  defaultMappings,
  type Fixture,
  mappingsOf,
  secrets,
  startFixture,
} from "../support/gatewayFixture.ts";
import {
  assertRefusal,
  basicAuthorization,
  connectTo,
  openConnection,
  requestHead,
} from "../support/wire.ts";

interface Help {
  product: string;
  version: string;
  advice: string;
  onePassword: string;
  mappings: { host: string; path: string; credential: string; enabled: boolean; state: string }[];
  docs: Record<string, string>;
}

describe("onecli.internal", () => {
  let fixture: Fixture;
  before(async () => {
    fixture = await startFixture();
  });
  after(() => fixture.stop());
  beforeEach(() => {
    fixture.gateway.setMappings(mappingsOf(defaultMappings));
    useAccount(fixture.gateway, fixture.service.token);
  });

  async function ask(line: string, authorization = basicAuthorization(fixture.endpoint).trimEnd()) {
    const wire = await openConnection(fixture.endpoint);
    wire.send(requestHead(line, "Host: onecli.internal", ...(authorization === "" ? [] : [authorization])));
    const answer = await wire.answer({ bodiless: line.startsWith("HEAD ") });
    wire.socket.destroy();
    return answer;
  }
  const help = async () => JSON.parse((await ask("GET http://onecli.internal/")).body) as Help;
  const stateOf = async (host: string) =>
    (await help()).mappings.find((mapping) => mapping.host === host)?.state;
  const request = async (host: string, path = "/") => {
    const wire = await fixture.open(`${host}:443`);
    wire.send(requestHead(`GET ${path}`, `Host: ${host}`));
    const answer = await wire.answer();
    wire.socket.destroy();
    return answer;
  };

  it("says what the gateway is, which hosts are mapped and how, and where to read on", async () => {
    const answer = await ask("GET http://onecli.internal/");
    assert.deepEqual([answer.status, answer.headers["content-type"]], [200, "application/json"]);
    const { product, version, advice, onePassword, mappings, docs } = JSON.parse(answer.body) as Help;
    assert.deepEqual([product, onePassword], ["OneCLI", "connected"]);
    assert.match(version, /^\d+\.\d+\.\d+$/);
    assert.match(advice, /placeholder/);
    assert.deepEqual(
      mappings.map(({ host, credential, enabled }) => [host, credential, enabled]),
      [
        ["api.anthropic.com", "header x-api-key", true],
        ["api.openai.com", "header Authorization", true],
        ["api.github.com", "header Authorization", true],
      ],
    );
    assert.ok(Object.values(docs).every((link) => link.startsWith("https://github.com/onecli/")));
  });

  it("says for which paths a mapping is, and where its secret goes", async () => {
    const { reference } = defaultMappings[0]!;
    fixture.gateway.setMappings(
      mappingsOf([
        { hostname: "git.example.com", reference, rule: { kind: "basic", username: "robot" } },
        { hostname: "git.example.com", path: "/api", reference, rule: { kind: "query", name: "key" } },
      ]),
    );
    assert.deepEqual(
      (await help()).mappings.map(({ host, path, credential }) => [host, path, credential]),
      [
        ["git.example.com", "/", 'header Authorization: Basic, user name "robot"'],
        ["git.example.com", "/api/", "query parameter key"],
      ],
    );
  });

  it("names no reference, vault or value", async () => {
    await request("api.openai.com");
    const { body } = await ask("GET http://onecli.internal/");
    const hidden = ["op://", "API Keys", "Dev Tokens", "credential", ...Object.values(secrets)];
    for (const text of [...hidden, fixture.endpoint.password]) {
      // "credential" is a word of the advice as well; a reference has it behind a slash.
      assert.ok(!body.includes(text === "credential" ? "/credential" : text), text);
    }
  });

  it("says how the last request of a mapping fared", async () => {
    const [first, second] = defaultMappings;
    fixture.gateway.setMappings(
      mappingsOf([
        first!,
        { ...second!, reference: "op://API Keys/Nobody/key" },
        { hostname: "off.example.com", reference: second!.reference, enabled: false },
      ]),
    );
    assert.equal(await stateOf("api.anthropic.com"), "not used yet");
    await request("api.anthropic.com");
    await request("api.openai.com");
    assert.equal(await stateOf("api.anthropic.com"), "ok");
    assert.equal(await stateOf("api.openai.com"), "reference-not-found");
    assert.equal(await stateOf("off.example.com"), "disabled");
    fixture.gateway.disconnect();
    assert.equal((await help()).onePassword, "not connected");
    assert.equal(await stateOf("api.anthropic.com"), "not-connected");
  });

  it("answers HEAD with the head alone", async () => {
    const { status, headers } = await ask("HEAD http://onecli.internal/");
    assert.equal(status, 200);
    const { body } = await ask("GET http://onecli.internal/");
    assert.equal(headers["content-length"], String(Buffer.byteLength(body)));
  });

  for (const url of [
    "http://ONECLI.internal./",
    "http://onecli.internal:80/",
    "http://onecli.internal",
    "http://onecli.internal/?q=1",
  ]) {
    it(`answers at ${url} too`, async () => {
      assert.equal((await ask(`GET ${url}`)).status, 200);
    });
  }

  it("wants the proxy's password as everything does", async () => {
    const refusal = await ask("GET http://onecli.internal/", "");
    assertRefusal(refusal, 407, "proxy-authentication-required");
    assertRefusal(
      await ask("POST http://onecli.internal/doctor", "Proxy-Authorization: Basic b25lY2xpOng="),
      407,
      "proxy-authentication-required",
    );
  });

  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
    it(`refuses ${method} and says what is allowed`, async () => {
      const answer = await ask(`${method} http://onecli.internal/`);
      assertRefusal(answer, 405, "method-not-allowed");
      assert.equal(answer.headers["allow"], "GET, HEAD");
    });
  }

  for (const url of [
    "http://onecli.internal/mappings",
    "http://onecli.internal:8080/",
    "http://sub.onecli.internal/",
    "http://onecli.internal/doctor/0123456789abcdef",
    "http://onecli.internal//",
  ]) {
    it(`has nothing at ${url} and passes nothing on`, async () => {
      const asked = fixture.parent.asked.length;
      assertRefusal(await ask(`GET ${url}`), 404, "not-found");
      assert.equal(fixture.parent.asked.length, asked);
    });
  }

  for (const target of [
    "onecli.internal:443",
    "onecli.internal:80",
    "x.onecli.internal:443",
    "OneCLI.Internal.:443",
  ]) {
    it(`answers CONNECT to ${target} with the address that works, and does not dial it`, async () => {
      fixture.gateway.setMappings(
        mappingsOf([{ hostname: "*.onecli.internal", reference: "op://API Keys/OpenAI/api-key" }]),
      );
      const asked = fixture.parent.asked.length;
      const { wire, answer } = await connectTo(fixture.endpoint, target);
      const message = assertRefusal({ ...answer, body: await wire.rest() }, 400, "bad-request");
      assert.ok(message.includes("http://onecli.internal/"));
      assert.equal(fixture.parent.asked.length, asked);
    });
  }

  describe("for the doctor", () => {
    const open = async () => {
      const answer = await ask("POST http://onecli.internal/doctor");
      assert.equal(answer.status, 201);
      return JSON.parse(answer.body) as OpenedRun;
    };
    const evidenceOf = async ({ run }: OpenedRun) =>
      (JSON.parse((await ask(`GET http://onecli.internal/doctor/${run}`)).body) as Evidence).hosts;
    const close = ({ run }: OpenedRun) => ask(`DELETE http://onecli.internal/doctor/${run}`);

    it("opens an echo that the injected value reaches, that never shows it, and that asks 1Password for nothing", async () => {
      fixture.gateway.disconnect();
      const run = await open();
      const asked = fixture.parent.asked.length;
      const answer = await request(`probe.${run.domain}`, "/anything");
      assert.deepEqual(JSON.parse(answer.body), { onecli: "doctor", arrived: true, upstream: "2.0" });
      assert.ok(!JSON.stringify(answer).includes("onecli-doctor-"));
      assert.deepEqual(await evidenceOf(run), {
        probe: { connects: 1, http2: 0, requests: 1, arrived: 1, webSockets: 0 },
      });
      assert.equal(fixture.parent.asked.length, asked, "nothing left the machine");
      assert.equal(
        fixture.gateway.activity.recent().at(-1)?.host.endsWith("onecli.internal") ?? false,
        false,
      );
      await close(run);
    });

    it("counts a client that does not trust the CA as connected and no further", async () => {
      const run = await open();
      const { wire, answer } = await connectTo(fixture.endpoint, `stranger.${run.domain}:443`);
      assert.equal(answer.status, 200);
      wire.socket.destroy();
      assert.deepEqual(await evidenceOf(run), {
        stranger: { connects: 1, http2: 0, requests: 0, arrived: 0, webSockets: 0 },
      });
      await close(run);
    });

    it("sends the second event when the first was seen", async () => {
      const run = await open();
      const host = `stream.${run.domain}`;
      const wire = await fixture.open(`${host}:443`);
      wire.send(requestHead("GET /events", `Host: ${host}`));
      await wire.until("data: first\n\n");
      await ask(`POST http://onecli.internal/doctor/${run.run}/release/stream`);
      await wire.until("data: second\n\n");
      wire.socket.destroy();
      await close(run);
    });

    it("keeps runs apart, and ends one without the other", async () => {
      const [first, second] = await Promise.all([open(), open()]);
      assert.notEqual(first.domain, second.domain);
      await request(`a.${first.domain}`);
      assert.deepEqual(Object.keys(await evidenceOf(second)), []);
      await close(first);
      assert.equal((await connectTo(fixture.endpoint, `a.${first.domain}:443`)).answer.status, 400);
      assert.equal((await request(`a.${second.domain}`)).status, 200);
      await close(second);
    });

    it("keeps eight runs at most", async () => {
      const runs = [];
      for (let count = 0; count < 9; count++) {
        runs.push(await open());
      }
      const statuses = await Promise.all(
        runs.map(async ({ run }) => (await ask(`GET http://onecli.internal/doctor/${run}`)).status),
      );
      assert.deepEqual(statuses, [404, ...Array<number>(8).fill(200)]);
      await Promise.all(runs.map(close));
    });

    it("takes no other port and no deeper name", async () => {
      const run = await open();
      for (const target of [`a.${run.domain}:8443`, `a.b.${run.domain}:443`, `${run.domain}:443`]) {
        assert.equal((await connectTo(fixture.endpoint, target)).answer.status, 400, target);
      }
      await close(run);
    });
  });
});
