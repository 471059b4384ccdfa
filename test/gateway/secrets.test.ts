import assert from "node:assert/strict";
import { parseSecretReference } from "../../src/core/secretReference.ts";
import {
  defaultMappings,
  type Fixture,
  mappingsOf,
  secrets,
  startFixture,
} from "../support/gatewayFixture.ts";
import { assertRefusal, requestHead } from "../support/wire.ts";

const openai = "op://API Keys/OpenAI/api-key";

describe("secrets on the wire", () => {
  let fixture: Fixture;
  const odd = ["empty", "line break", "nul", "tab", "emoji", "latin", "blanks"];
  const oddHost = (label: string) => `${label.replace(" ", "-")}.odd.example`;
  const mappings = [
    ...defaultMappings,
    ...odd.map((label) => ({ hostname: oddHost(label), reference: `op://API Keys/Odd values/${label}` })),
    { hostname: "no-vault.example.com", reference: "op://Nowhere/OpenAI/api-key" },
    { hostname: "no-item.example.com", reference: "op://API Keys/Nothing/api-key" },
    { hostname: "no-field.example.com", reference: "op://API Keys/OpenAI/nothing" },
    { hostname: "no-section.example.com", reference: "op://API Keys/OpenAI/nothing/api-key" },
    { hostname: "two-items.example.com", reference: "op://API Keys/Twice/token" },
    { hostname: "two-fields.example.com", reference: "op://API Keys/Fields twice/token" },
    { hostname: "otp.example.com", reference: "op://API Keys/OpenAI/api-key?attribute=otp" },
  ];
  before(async () => {
    fixture = await startFixture({ mappings });
    const token = { label: "token", value: "x" };
    fixture.service.addItem("API Keys", { title: "Twice", fields: [token] });
    fixture.service.addItem("API Keys", { title: "Twice", fields: [token] });
    fixture.service.addItem("API Keys", { title: "Fields twice", fields: [token, token] });
  });
  after(() => fixture.stop());
  beforeEach(() => {
    fixture.upstream.reset();
    fixture.gateway.setMappings(mappingsOf(mappings));
    fixture.gateway.invalidate();
    fixture.service.clearRequests();
  });

  async function ask(host: string, ...fields: string[]) {
    const wire = await fixture.open(`${host}:443`);
    wire.send(requestHead("GET /", `Host: ${host}`, ...fields));
    const answer = await wire.answer();
    wire.socket.destroy();
    return answer;
  }

  /** The refusal of a request, which must not have reached the upstream. */
  async function refusal(host: string, status: number, code: Parameters<typeof assertRefusal>[2]) {
    const answer = await ask(host);
    const message = assertRefusal(answer, status, code);
    assert.equal(fixture.upstream.received.length, 0);
    return { answer, message };
  }

  it("are sent as Authorization: Bearer by default, and as x-api-key to Anthropic, whose Authorization is dropped (contract 46)", async () => {
    await ask("api.openai.com", "X-Api-Key: mine");
    await ask("api.anthropic.com", "Authorization: Bearer mine", "X-API-Key: mine");
    const [first, second] = fixture.upstream.received;
    assert.equal(first?.headers.authorization, `Bearer ${secrets.openai}`);
    assert.equal(first.headers["x-api-key"], "mine");
    assert.equal(second?.headers["x-api-key"], secrets.anthropic);
    assert.equal(second.headers.authorization, undefined);
    assert.equal(second.rawHeaders.filter((name) => name.toLowerCase() === "x-api-key").length, 1);
  });

  const unusable = [
    ["empty", /empty/],
    ["line break", /line break/],
    ["nul", /NUL/],
    ["tab", /control character/],
    ["emoji", /Latin-1/],
  ] as const;
  for (const [label, why] of unusable) {
    it(`refuse a value that cannot be sent (${label}), saying why and not showing it (contract 15)`, async () => {
      const { answer, message } = await refusal(oddHost(label), 424, "value-unusable");
      assert.match(message, why);
      assert.doesNotMatch(JSON.stringify(answer), /X-Second|key-|a\\\\?[t0]/);
    });
  }

  it("are sent byte for byte, nothing trimmed (contract 15)", async () => {
    assert.equal((await ask(oddHost("latin"))).status, 200);
    assert.equal(fixture.upstream.received[0]?.headers.authorization, "Bearer cl\u00e9-\u00ff");
    assert.equal((await ask(oddHost("blanks"))).status, 200);
    // Blanks at the end of a field are no part of its value (RFC 9110 §5.5): the upstream's parser drops them.
    assert.equal(fixture.upstream.received[1]?.headers.authorization, "Bearer  in the middle and around");
  });

  const notFound: readonly (readonly [string, RegExp])[] = [
    ["no-vault", /No vault/],
    ["no-item", /No item/],
    ["no-field", /No field/],
    ["no-section", /No section/],
    ["two-items", /More than one item/],
    ["two-fields", /More than one field/],
  ];
  for (const [name, what] of notFound) {
    it(`say of a reference which part was not found: ${name} (contract 28)`, async () => {
      const { message } = await refusal(`${name}.example.com`, 424, "reference-not-found");
      assert.match(message, what);
      assert.doesNotMatch(message, /Nowhere|Nothing|OpenAI/);
    });
  }

  it("answer a one-time code of a field that has none with reference-invalid", async () => {
    await refusal("otp.example.com", 424, "reference-invalid");
  });

  it("are resolved once for a thousand requests at once (contract 16)", async () => {
    await ask("api.github.com");
    fixture.upstream.reset();
    fixture.service.clearRequests();
    const wires = await Promise.all(Array.from({ length: 100 }, () => fixture.open("api.openai.com:443")));
    const text = requestHead("GET /", "Host: api.openai.com").repeat(10);
    await Promise.all(
      wires.map(async (wire) => {
        wire.send(text);
        for (let index = 0; index < 10; index++) {
          assert.equal((await wire.answer()).status, 200);
        }
        wire.socket.destroy();
      }),
    );
    assert.equal(fixture.upstream.received.length, 1_000);
    assert.ok(
      fixture.upstream.received.every(({ headers }) => headers.authorization === `Bearer ${secrets.openai}`),
    );
    // By name a resolve takes the vaults, the overviews and the item.
    assert.equal(fixture.service.countReads(), 3, fixture.service.requests.join("\n"));
  });

  it("are read again after invalidate, with the value that is there by then", async () => {
    const value = "sk-rotated-value";
    assert.equal((await ask("api.openai.com")).status, 200);
    fixture.service.rotate("API Keys", "OpenAI", "api-key", value);
    await ask("api.openai.com");
    fixture.gateway.invalidate(parseSecretReference(openai));
    await ask("api.openai.com");
    fixture.service.rotate("API Keys", "OpenAI", "api-key", secrets.openai);
    fixture.gateway.invalidate();
    await ask("api.openai.com");
    assert.deepEqual(
      fixture.upstream.received.map(({ headers }) => headers.authorization),
      [secrets.openai, secrets.openai, value, secrets.openai].map((text) => `Bearer ${text}`),
    );
  });

  it("leave the cache with the last mapping that names them, and not before", async () => {
    const reference = parseSecretReference(openai);
    const second = { hostname: "second.example.com", reference: openai };
    fixture.gateway.setMappings(mappingsOf([...defaultMappings, second]));
    await ask("api.openai.com");
    fixture.gateway.setMappings(mappingsOf([second]));
    assert.notEqual(fixture.gateway.cacheAge(reference), undefined);
    fixture.gateway.setMappings([]);
    assert.equal(fixture.gateway.cacheAge(reference), undefined);
  });

  it("can be tested without a request, and the test reads them afresh", async () => {
    const reference = parseSecretReference(openai);
    await fixture.gateway.test(reference);
    fixture.service.clearRequests();
    await fixture.gateway.test(reference);
    assert.ok(fixture.service.countReads() > 0);
    await assert.rejects(fixture.gateway.test(parseSecretReference("op://API Keys/Nothing/x")), {
      code: "reference-not-found",
    });
  });

  it("are asked for by no request that is refused before (contract 32)", async () => {
    const wire = await fixture.open("api.openai.com:443");
    wire.send(requestHead("GET /", "Host: evil.com") + requestHead("TRACE /", "Host: api.openai.com"));
    assertRefusal(await wire.answer(), 421, "misdirected");
    assertRefusal(await wire.answer(), 405, "method-not-allowed");
    wire.socket.destroy();
    assert.deepEqual(fixture.service.requests, []);
  });

  it("show in no log line and no activity record, in no encoding", async () => {
    await ask("api.openai.com");
    await ask("api.anthropic.com");
    const shown = JSON.stringify([fixture.logger.lines, fixture.gateway.activity.recent()]);
    for (const value of [
      secrets.openai,
      secrets.anthropic,
      fixture.service.token,
      fixture.endpoint.password,
    ]) {
      for (const form of [
        value,
        encodeURIComponent(value),
        Buffer.from(value).toString("base64"),
        Buffer.from(value).toString("hex"),
      ]) {
        assert.ok(!shown.includes(form));
      }
    }
    assert.ok(shown.includes("api.openai.com"));
  });
});
