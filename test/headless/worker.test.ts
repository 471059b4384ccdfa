import assert from "node:assert/strict";
import { dirname } from "node:path";
import { createAuthority } from "../../src/gateway/certificateAuthority.ts";
import {
  connectResult,
  fieldList,
  itemList,
  startResult,
  vaultList,
} from "../../src/shared/gatewayProtocol.ts";
import { mappings, secrets } from "../support/headlessWorld.ts";
import { startOnePasswordService } from "../support/onePassword/service.ts";
import { RawThread } from "../support/rawThread.ts";
import { type FromGateway } from "../../src/shared/gatewayProtocol.ts";
import { ThreadSuite } from "./threadSuite.ts";

const reference = "op://API Keys/OpenAI/api-key";

type Recorded = Extract<FromGateway, { type: "activity" }>;

/** Activity may be a count of requests to 1Password alone. */
const isRecorded = (message: FromGateway): message is Recorded =>
  message.type === "activity" && message.records.length > 0;

describe("The gateway thread", () => {
  const suite = ThreadSuite.use();

  it("starts, makes an authority, and keeps the one and the password that it is given", async () => {
    const dataDir = await suite.world.newFolder();
    const { endpoint, files, authority } = await suite.start({ dataDir });
    assert.ok(endpoint.port > 0 && endpoint.password.length >= 32);
    assert.deepEqual(Object.values(files).map(dirname), [dataDir, dataDir, dataDir]);
    assert.match(authority.certificate, /BEGIN CERTIFICATE/);
    assert.equal(await suite.request({ endpoint, files, authority }), "not-connected");
    const second = new RawThread();
    try {
      const given = { authority: await createAuthority(), password: "p".repeat(43) };
      const again = await second.done({ type: "start", options: await suite.options(given) });
      const result = startResult.parse(again);
      assert.deepEqual(result.authority, given.authority);
      assert.equal(result.endpoint.password, given.password);
    } finally {
      await second.terminate();
    }
  });

  it("connects, injects, and reports what it did in batches", async () => {
    const started = await suite.start();
    const verified = connectResult.parse(
      await suite.thread.done({ type: "connect", token: suite.world.service.token }),
    );
    assert.deepEqual(verified, {
      account: `local test service (${new URL(suite.world.service.address).host})`,
      vaults: 1,
    });
    assert.equal(await suite.request(started), `Bearer ${secrets.openai}`);
    const { records } = await suite.thread.find(isRecorded);
    const [{ kind, method, host, path, status, mapping, cacheHit } = assert.fail("no record")] = records;
    assert.deepEqual(
      { kind, method, host, path, status, mapping, cacheHit },
      {
        kind: "request",
        method: "GET",
        host: "api.openai.com",
        path: "/v1/models",
        status: 200,
        mapping: "api.openai.com",
        cacheHit: false,
      },
    );
  });

  it("uses the mappings of the last setMappings", async () => {
    const started = await suite.start({ mappings: [] });
    await suite.thread.done({ type: "connect", token: suite.world.service.token });
    await suite.thread.done({ type: "setMappings", mappings: [{ hostname: "API.openai.com.", reference }] });
    assert.equal(await suite.request(started), `Bearer ${secrets.openai}`);
    await suite.thread.done({
      type: "setMappings",
      mappings: [{ hostname: "api.openai.com", reference: "op://API Keys/Git/token" }],
    });
    assert.equal(await suite.request(started), `Bearer ${secrets.git}`);
    const twice = [mappings[1], { ...mappings[1], hostname: "API.OPENAI.COM" }];
    assert.match(
      (await suite.thread.failed({ type: "setMappings", mappings: twice })).message,
      /Mapping 2: .*twice/,
    );
    assert.equal(await suite.request(started), `Bearer ${secrets.git}`, "nothing of it was used");
  });

  it("tests a reference", async () => {
    await suite.start();
    const test = (text: string) => suite.thread.ask({ type: "test", reference: text });
    assert.equal((await suite.thread.failed({ type: "test", reference })).code, "not-connected");
    await suite.thread.done({ type: "connect", token: suite.world.service.token });
    assert.deepEqual(await suite.thread.done({ type: "test", reference }), undefined);
    const missing = await test("op://API Keys/OpenAI/missing");
    assert.equal(missing.type === "failed" && missing.code, "reference-not-found");
    const invalid = await test("op://API Keys");
    assert.equal(invalid.type === "failed" && invalid.code, "reference-invalid");
  });

  it("reads a value anew after invalidate", async () => {
    const started = await suite.start();
    await suite.thread.done({ type: "connect", token: suite.world.service.token });
    for (const message of [{ type: "invalidate" }, { type: "invalidate", reference }]) {
      await suite.request(started);
      suite.world.service.rotate("API Keys", "OpenAI", "api-key", "rotated");
      assert.equal(await suite.request(started), `Bearer ${secrets.openai}`);
      suite.thread.post(message);
      assert.equal(await suite.request(started), "Bearer rotated");
      suite.world.service.rotate("API Keys", "OpenAI", "api-key", secrets.openai);
      suite.thread.post(message);
    }
  });

  it("keeps its account when another token fails", async () => {
    const started = await suite.start();
    await suite.thread.done({ type: "connect", token: suite.world.service.token });
    const { token } = suite.world.service;
    for (const bad of [
      "",
      "nonsense",
      token.slice(0, -30),
      suite.world.service.account.tokenWith({ deviceUuid: undefined }),
    ]) {
      assert.equal((await suite.thread.failed({ type: "connect", token: bad })).code, "token-invalid");
    }
    suite.world.service.fault({ route: /auth/, status: 401 });
    assert.equal((await suite.thread.failed({ type: "connect", token })).code, "token-invalid");
    suite.world.service.clearFaults();
    suite.world.service.fault({ route: /auth/, status: 500 });
    assert.equal((await suite.thread.failed({ type: "connect", token })).code, "onepassword-unreachable");
    suite.world.service.clearFaults();
    suite.thread.post({ type: "invalidate" });
    assert.equal(await suite.request(started), `Bearer ${secrets.openai}`);
  });

  it("refuses mapped hosts after disconnect, also when a connect was under way", async () => {
    const started = await suite.start();
    await suite.thread.done({ type: "connect", token: suite.world.service.token });
    assert.equal(await suite.request(started), `Bearer ${secrets.openai}`);
    suite.thread.post({ type: "disconnect" });
    assert.equal(await suite.request(started), "not-connected");
    const connecting = suite.thread.ask({ type: "connect", token: suite.world.service.token });
    suite.thread.post({ type: "disconnect" });
    await connecting;
    assert.equal(await suite.request(started), "not-connected");
  });

  it("ends with the account of the last connect, however long the one before took", async () => {
    const other = await startOnePasswordService({
      vaults: [
        { title: "API Keys", items: [{ title: "OpenAI", fields: [{ label: "api-key", value: "other" }] }] },
      ],
    });
    try {
      const started = await suite.start();
      suite.world.service.fault({ route: /auth/, delayMs: 500, times: 1 });
      await Promise.all([
        suite.thread.done({ type: "connect", token: suite.world.service.token }),
        suite.thread.done({ type: "connect", token: other.token }),
      ]);
      assert.equal(await suite.request(started), "Bearer other");
    } finally {
      await other.close();
    }
  });

  it("drops what is not of the protocol, and logs nothing of it", async () => {
    await suite.start();
    const garbage = [
      null,
      7,
      "canary-text",
      [],
      {},
      { type: "canary-type", id: 1_000 },
      { type: "connect", id: 1_001, token: "canary-token", more: "canary-key" },
      { type: "connect", id: "canary-id", token: "canary-token" },
      { type: "setMappings", id: 1_002, mappings: [{ hostname: "canary-host" }] },
      { type: "ping", id: 0 },
    ];
    garbage.forEach((message) => suite.thread.post(message));
    await suite.thread.done({ type: "ping" });
    const said = suite.thread.messages.filter(({ type }) => type === "log");
    assert.equal(said.length, garbage.length);
    assert.doesNotMatch(JSON.stringify(suite.thread.messages), /canary/);
  });

  it("uses an account without a question to 1Password, and lists what is in it", async () => {
    const started = await suite.start();
    assert.equal((await suite.thread.failed({ type: "listVaults" })).code, "not-connected");
    assert.equal(
      (await suite.thread.failed({ type: "useAccount", token: "nonsense" })).code,
      "token-invalid",
    );
    suite.world.service.clearRequests();
    await suite.thread.done({ type: "useAccount", token: suite.world.service.token });
    const ages = { type: "cacheAges", references: [reference, "op://API Keys/Git/token"] };
    assert.deepEqual(await suite.thread.done(ages), [null, null]);
    assert.deepEqual(suite.world.service.requests, []);
    assert.equal(await suite.request(started), `Bearer ${secrets.openai}`);
    const [age, none] = (await suite.thread.done(ages)) as unknown[];
    assert.ok(typeof age === "number" && age >= 0);
    assert.equal(none, null);
    const vaults = vaultList.parse(await suite.thread.done({ type: "listVaults" }));
    assert.deepEqual(
      vaults.map(({ title }) => title),
      ["API Keys"],
    );
    const vaultId = vaults[0]!.id;
    const items = itemList.parse(await suite.thread.done({ type: "listItems", vaultId }));
    assert.deepEqual(
      items.map(({ title }) => title),
      ["Anthropic", "Git", "OpenAI"],
    );
    const itemId = items[2]!.id;
    const fields = fieldList.parse(await suite.thread.done({ type: "listFields", vaultId, itemId }));
    assert.deepEqual(
      fields.map(({ label }) => label),
      ["api-key"],
    );
  });
});
