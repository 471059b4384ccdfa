import assert from "node:assert/strict";
import { parseAuthority } from "../../src/core/hostname.ts";
import { useAccount } from "../../src/gateway/gateway.ts";
import { type ActivityRecord } from "../../src/shared/gatewayProtocol.ts";
import {
  defaultMappings,
  type Fixture,
  mappingsOf,
  secrets,
  startFixture,
  storedSecretsOf,
} from "../support/gatewayFixture.ts";
import { assertRefusal, basicAuthorization, openConnection, requestHead } from "../support/wire.ts";

const value = "stored-VALUE-93ab/+=%20";
const openai = { name: "Team key", hostname: "api.openai.com", value };

describe("stored secrets", () => {
  let fixture: Fixture;
  before(async () => {
    fixture = await startFixture({ names: ["stored.example", "deep.api.example.com"] });
  });
  after(() => fixture.stop());
  beforeEach(() => {
    fixture.upstream.reset();
    fixture.service.requests.length = 0;
    fixture.gateway.setStoredSecrets([]);
    fixture.gateway.setMappings(mappingsOf(defaultMappings));
    fixture.gateway.invalidate();
  });

  /** The answer to a request, what the upstream got of it, and the record of it. */
  async function ask(host: string, path = "/") {
    const recorded = new Promise<ActivityRecord>((resolve) => {
      const stop = fixture.gateway.activity.subscribe((record) => {
        stop();
        resolve(record);
      });
    });
    const wire = await fixture.open(`${host}:443`);
    wire.send(requestHead(`GET ${path}`, `Host: ${host}`));
    const answer = await wire.answer();
    wire.socket.destroy();
    return { answer, record: await recorded, headers: fixture.upstream.received.at(-1)?.headers ?? {} };
  }

  it("win over a mapping of the same host, and 1Password is not asked", async () => {
    fixture.gateway.setStoredSecrets(storedSecretsOf([openai]));
    const { headers, record } = await ask("api.openai.com");
    assert.equal(headers.authorization, `Bearer ${value}`);
    assert.deepEqual(
      [record.mapping, record.source, record.cacheHit],
      ["api.openai.com", "stored", undefined],
    );
    assert.equal(fixture.service.requests.length, 0);
  });

  it("win with a wildcard over a mapping that names the host", async () => {
    fixture.gateway.setStoredSecrets(storedSecretsOf([{ ...openai, hostname: "*.openai.com" }]));
    assert.equal((await ask("api.openai.com")).headers.authorization, `Bearer ${value}`);
  });

  it("leave the mapping what is not theirs: other hosts, other paths, and all of it where they are disabled", async () => {
    fixture.gateway.setStoredSecrets(storedSecretsOf([{ ...openai, path: "/v1/admin" }]));
    assert.equal((await ask("api.openai.com", "/v1/admin/keys")).headers.authorization, `Bearer ${value}`);
    const other = await ask("api.openai.com", "/v1/models");
    assert.equal(other.headers.authorization, `Bearer ${secrets.openai}`);
    assert.deepEqual([other.record.source, other.record.cacheHit], ["1password", false]);
    assert.equal((await ask("api.github.com")).headers.authorization, `Bearer ${secrets.github}`);
    fixture.gateway.setStoredSecrets(storedSecretsOf([{ ...openai, enabled: false }]));
    assert.equal((await ask("api.openai.com")).headers.authorization, `Bearer ${secrets.openai}`);
  });

  it("refuse a path that could be theirs or the mapping's", async () => {
    fixture.gateway.setStoredSecrets(storedSecretsOf([{ ...openai, path: "/v1/admin" }]));
    const { answer } = await ask("api.openai.com", "/v1/x/..%2fadmin");
    assertRefusal(answer, 400, "bad-request");
    assert.equal(fixture.upstream.received.length, 0);
  });

  it("are sent as their rule says, or as the host's service takes it", async () => {
    fixture.gateway.setStoredSecrets(
      storedSecretsOf([
        { name: "a", hostname: "api.anthropic.com", value },
        {
          name: "b",
          hostname: "stored.example",
          rule: { kind: "header", name: "X-Key", value: "k={value}" },
          value,
        },
      ]),
    );
    assert.equal((await ask("api.anthropic.com")).headers["x-api-key"], value);
    assert.equal((await ask("stored.example")).headers["x-key"], `k=${value}`);
  });

  it("work without an account", async () => {
    fixture.gateway.disconnect();
    fixture.gateway.setStoredSecrets(storedSecretsOf([openai]));
    assert.equal((await ask("api.openai.com")).answer.status, 200);
    assertRefusal((await ask("api.github.com")).answer, 424, "not-connected");
    useAccount(fixture.gateway, fixture.service.token);
  });

  it("refuse plain http to their hosts (contract 2)", async () => {
    fixture.gateway.setStoredSecrets(storedSecretsOf([{ ...openai, hostname: "stored.example" }]));
    const wire = await openConnection(fixture.endpoint);
    wire.send(
      requestHead(
        "GET http://stored.example/",
        "Host: stored.example",
        basicAuthorization(fixture.endpoint).trimEnd(),
      ),
    );
    assertRefusal(await wire.answer(), 403, "insecure-request");
    wire.socket.destroy();
  });

  it("take effect on open connections, which lose them at once as well", async () => {
    const wire = await fixture.open("api.openai.com:443");
    const authorizations = [];
    for (const stored of [[], storedSecretsOf([openai]), []]) {
      fixture.gateway.setStoredSecrets(stored);
      wire.send(requestHead("GET /", "Host: api.openai.com"));
      assert.equal((await wire.answer()).status, 200);
      authorizations.push(fixture.upstream.received.at(-1)?.headers.authorization);
    }
    assert.deepEqual(authorizations, [
      `Bearer ${secrets.openai}`,
      `Bearer ${value}`,
      `Bearer ${secrets.openai}`,
    ]);
    wire.socket.destroy();
  });

  for (const [what, unusable] of [
    ["is empty", ""],
    ["has a line break", "a\r\nX-More: b"],
  ] as const) {
    it(`are refused where the value ${what} (contract 15)`, async () => {
      fixture.gateway.setStoredSecrets(storedSecretsOf([{ ...openai, value: unusable }]));
      assertRefusal((await ask("api.openai.com")).answer, 424, "value-unusable");
      assert.equal(fixture.upstream.received.length, 0);
    });
  }

  it("are explained: who wins and why, what is set and removed, and how old the value is", async () => {
    const explain = () => fixture.gateway.explain(parseAuthority("API.OpenAI.com.", 443), "/v1/models");
    const mapping = {
      source: "1password",
      id: "api.openai.com",
      label: "op://API Keys/OpenAI/api-key",
    } as const;
    const common = { host: "api.openai.com", path: "/v1/models" };
    const sent = {
      result: "injected",
      sets: "header Authorization",
      removes: ["header authorization"],
    } as const;
    assert.deepEqual(explain(), { ...common, candidates: [{ ...mapping, outcome: "wins" }], ...sent });
    await ask("api.openai.com");
    const { cacheAge, ...rest } = explain();
    assert.deepEqual(rest, { ...common, candidates: [{ ...mapping, outcome: "wins" }], ...sent });
    assert.ok(cacheAge !== undefined && cacheAge >= 0 && cacheAge < 60_000);
    fixture.gateway.setStoredSecrets(storedSecretsOf([openai]));
    assert.deepEqual(explain(), {
      ...common,
      candidates: [
        { source: "stored", id: "api.openai.com", label: "Team key", outcome: "wins" },
        { ...mapping, outcome: "stored-wins" },
      ],
      ...sent,
    });
    assert.ok(!JSON.stringify(explain()).includes("VALUE"));
  });
});
