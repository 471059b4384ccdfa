import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:net";
import { z } from "zod";
import { secrets } from "../support/headlessWorld.ts";
import { send } from "../support/managementApi.ts";
import { endpointOf } from "../support/program.ts";
import { openTls, requestHead, WireReader } from "../support/wire.ts";
import { ApiSuite, mappingsPath, type Served } from "./suite.ts";

const openai = { hostname: "api.openai.com", reference: "op://API Keys/OpenAI/api-key" };
const mapping = z.object({
  id: z.string(),
  hostname: z.string(),
  path: z.string(),
  reference: z.string(),
  rule: z.unknown().optional(),
  enabled: z.boolean(),
  credential: z.string(),
  state: z.string(),
});
const list = z.object({ mappings: z.array(mapping) });

describe("management API", () => {
  const suite = ApiSuite.use();

  const mappingsOf = async ({ api }: Served) => list.parse(await api.get(200, "GET", mappingsPath)).mappings;

  async function request({ line }: Served, host: string, path = "/") {
    const wire = await openTls(endpointOf(line), `${host}:443`, { ca: await readFile(line.ca, "utf8") });
    wire.send(requestHead(`GET ${path}`, `Host: ${host}`, "Connection: close"));
    const { status } = await wire.answer();
    wire.socket.destroy();
    return { status, headers: suite.world.upstream.received.at(-1)?.headers };
  }

  describe("GET mappings", () => {
    it("lists host, reference, where the secret goes and how it fares", async () => {
      const served = await suite.serve();
      assert.equal((await request(served, "api.openai.com")).status, 200);
      assert.equal((await request(served, "missing.example.test")).status, 424);
      const [anthropic, used, , missing] = await mappingsOf(served);
      assert.deepEqual(anthropic, {
        id: "api.anthropic.com",
        hostname: "api.anthropic.com",
        path: "/",
        reference: "op://API Keys/Anthropic/credential",
        enabled: true,
        credential: "header x-api-key",
        state: "unused",
      });
      assert.equal(used?.state, "ok");
      assert.equal(missing?.state, "reference-not-found");
    });
  });

  describe("PUT mappings", () => {
    it("adds one, which is used at once, and is in the file", async () => {
      const served = await suite.serve({ mappings: [] });
      const added = await served.api.get(201, "PUT", mappingsPath, { json: openai });
      assert.equal(mapping.parse(added).id, "api.openai.com");
      const { status, headers } = await request(served, "api.openai.com");
      assert.equal(status, 200);
      assert.equal(headers?.authorization, `Bearer ${secrets.openai}`);
      const config = JSON.parse(await readFile(served.configFile, "utf8")) as Record<string, unknown>;
      assert.deepEqual(config["mappings"], [openai]);
      assert.equal(config["dataDir"], "state", "all else is as it was");
    });

    it("replaces the one for the same host, however it is spelled", async () => {
      const served = await suite.serve({ mappings: [openai] });
      const body = {
        hostname: "API.OpenAI.com.",
        reference: "op://API Keys/Git/token",
        rule: { kind: "header", name: "X-Key", value: "key={value}" },
      };
      await served.api.get(200, "PUT", mappingsPath, { json: body });
      assert.deepEqual(
        (await mappingsOf(served)).map(({ id, reference }) => ({ id, reference })),
        [{ id: "api.openai.com", reference: "op://API Keys/Git/token" }],
      );
      const { headers } = await request(served, "api.openai.com");
      assert.equal(headers?.["x-key"], `key=${secrets.git}`);
    });

    it("keeps mappings of one host apart by their paths", async () => {
      const served = await suite.serve({ mappings: [openai] });
      const admin = { ...openai, path: "/v1/admin", reference: "op://API Keys/Git/token" };
      await served.api.get(201, "PUT", mappingsPath, { json: admin });
      await served.api.get(200, "PUT", mappingsPath, { json: { ...admin, path: "/v1/admin/" } });
      assert.deepEqual(
        (await mappingsOf(served)).map(({ id }) => id),
        ["api.openai.com", "api.openai.com/v1/admin/"],
      );
    });

    it("takes op_ref for reference, and a mapping that is not enabled", async () => {
      const served = await suite.serve({ mappings: [] });
      const json = { hostname: "api.openai.com", op_ref: openai.reference, enabled: false };
      await served.api.get(201, "PUT", mappingsPath, { json });
      const [only] = await mappingsOf(served);
      assert.equal(only?.reference, openai.reference);
      assert.equal(only.state, "disabled");
    });

    it("writes nothing where nothing changes", async () => {
      const served = await suite.serve({ mappings: [openai] });
      const { ino } = await stat(served.configFile);
      await served.api.get(200, "PUT", mappingsPath, { json: { ...openai, enabled: true, path: "/" } });
      assert.equal((await stat(served.configFile)).ino, ino);
    });

    it("loses none of many that come at once", async () => {
      const served = await suite.serve({ mappings: [] });
      const hosts = Array.from({ length: 40 }, (_, index) => `h${index}.example.test`);
      const answers = await Promise.all(
        [...hosts, ...hosts].map((hostname) =>
          served.api.ask("PUT", mappingsPath, { json: { ...openai, hostname } }),
        ),
      );
      const added = answers.filter(({ status }) => status === 201);
      assert.equal(added.length, hosts.length, "each was added once");
      assert.ok(answers.every(({ status }) => status === 200 || status === 201));
      const config = z
        .object({ mappings: z.array(z.object({ hostname: z.string() })) })
        .parse(JSON.parse(await readFile(served.configFile, "utf8")));
      assert.deepEqual(config.mappings.map(({ hostname }) => hostname).sort(), hosts.toSorted());
      assert.equal((await mappingsOf(served)).length, hosts.length);
    });
  });

  describe("DELETE mappings/{hostname}", () => {
    for (const spelling of [
      "api.openai.com",
      "API.OpenAI.com.",
      "api%2Eopenai%2ecom",
      "%61pi.openai.com",
      "api.openai.com%3A443",
    ]) {
      it(`removes the mapping that is named ${spelling}`, async () => {
        const served = await suite.serve();
        await served.api.get(204, "DELETE", `${mappingsPath}/${spelling}`);
        assert.ok((await mappingsOf(served)).every(({ id }) => id !== "api.openai.com"));
        assert.ok(!(await readFile(served.configFile, "utf8")).includes("api.openai.com"));
        await served.api.refused("no-such-mapping", "DELETE", `${mappingsPath}/${spelling}`);
      });
    }

    it("reaches wildcards, ports and paths", async () => {
      const mappings = [
        { ...openai, hostname: "*.example.test" },
        { ...openai, hostname: "one.example.test:8443" },
        { ...openai, path: "/v1/" },
        openai,
      ];
      const served = await suite.serve({ mappings });
      await served.api.get(204, "DELETE", `${mappingsPath}/*.Example.Test`);
      await served.api.get(204, "DELETE", `${mappingsPath}/one.example.test:8443`);
      await served.api.refused("no-such-mapping", "DELETE", `${mappingsPath}/api.openai.com?path=/v2`);
      await served.api.get(204, "DELETE", `${mappingsPath}/api.openai.com?path=%2Fv1`);
      assert.deepEqual(
        (await mappingsOf(served)).map(({ id }) => id),
        ["api.openai.com"],
      );
    });

    it("leaves everything as it was where nothing is mapped (404)", async () => {
      const served = await suite.serve();
      const before = await readFile(served.configFile, "utf8");
      const message = await served.api.refused("no-such-mapping", "DELETE", `${mappingsPath}/other.example`);
      assert.match(message, /"other\.example" is not mapped/);
      assert.equal(await readFile(served.configFile, "utf8"), before);
    });
  });

  describe("POST mappings/{hostname}/test", () => {
    const test = (host: string) => `${mappingsPath}/${host}/test`;

    it("reads the secret afresh, and shows nothing of it", async () => {
      const { api } = await suite.serve();
      suite.world.service.clearRequests();
      const tested = await api.get(200, "POST", test("API.openai.com"));
      assert.equal(z.object({ id: z.string() }).parse(tested).id, "api.openai.com");
      assert.ok(suite.world.service.requests.length > 0, "1Password was asked");
    });

    it("says why it cannot be read, by the code that a request would get", async () => {
      const { api } = await suite.serve();
      const missing = await api.refused("reference-not-found", "POST", test("missing.example.test"));
      assert.match(missing, /item/);
      await api.refused("no-such-mapping", "POST", test("other.example"));
      const without = await suite.serve({}, suite.world.env());
      await without.api.refused("not-connected", "POST", test("api.openai.com"));
    });
  });

  const vault = "/api/vault/onepassword";
  const status = z.object({
    onePassword: z.object({ connected: z.boolean(), account: z.string().optional() }),
    proxy: z.object({ port: z.int(), tls: z.boolean() }),
    mappings: z.object({ total: z.int(), enabled: z.int(), failing: z.int() }),
  });

  describe("GET status", () => {
    it("says whether 1Password is connected, and how many mappings fail", async () => {
      const served = await suite.serve();
      await request(served, "missing.example.test");
      const { onePassword, proxy, mappings } = status.parse(
        await served.api.get(200, "GET", `${vault}/status`),
      );
      assert.match(onePassword.account ?? "", /^local test service/);
      assert.deepEqual(proxy, { port: endpointOf(served.line).port, tls: false });
      assert.deepEqual(mappings, { total: 4, enabled: 4, failing: 1 });
    });
  });

  describe("POST and DELETE connect", () => {
    it("connects an account after asking 1Password, and forgets it again", async () => {
      const served = await suite.serve({}, suite.world.env());
      const isConnected = async () =>
        status.parse(await served.api.get(200, "GET", `${vault}/status`)).onePassword.connected;
      assert.equal(await isConnected(), false);
      const { token } = suite.world.service;
      const connected = await served.api.get(200, "POST", `${vault}/connect`, { json: { token } });
      assert.equal(z.object({ vaults: z.int() }).parse(connected).vaults, 1);
      assert.equal(await isConnected(), true);
      assert.equal((await request(served, "api.openai.com")).status, 200);
      await served.api.get(204, "DELETE", `${vault}/connect`);
      assert.equal(await isConnected(), false);
      assert.equal((await request(served, "api.openai.com")).status, 424);
    });

    it("keeps the account that was there where the token is none", async () => {
      const served = await suite.serve();
      const json = { token: "ops_nonsense" };
      const message = await served.api.refused("token-invalid", "POST", `${vault}/connect`, { json });
      assert.ok(!message.includes("nonsense"));
      assert.equal((await request(served, "api.openai.com")).status, 200);
    });
  });

  describe("GET activity", () => {
    const activity = z.object({
      records: z.array(z.object({ id: z.int(), host: z.string(), path: z.string() })),
      last: z.int(),
    });

    it("gives the records, and with since= only later ones", async () => {
      const served = await suite.serve();
      const read = async (query = "") =>
        activity.parse(await served.api.get(200, "GET", `/api/activity${query}`));
      assert.deepEqual(await read(), { records: [], last: 0 });
      await request(served, "api.openai.com", "/v1/models?key=not-in-records");
      const first = await read();
      assert.deepEqual(
        first.records.map(({ host, path }) => ({ host, path })),
        [{ host: "api.openai.com", path: "/v1/models" }],
      );
      assert.deepEqual((await read(`?since=${first.last}`)).records, []);
      await request(served, "api.anthropic.com");
      const later = await read(`?since=${first.last}`);
      assert.deepEqual(
        later.records.map(({ host }) => host),
        ["api.anthropic.com"],
      );
      // An id of an earlier run.
      assert.equal((await read("?since=999999")).records.length, 2);
    });
  });

  describe("GET explain", () => {
    const explanation = z.object({
      host: z.string(),
      result: z.string(),
      candidates: z.array(z.object({ source: z.string(), label: z.string(), outcome: z.string() })),
      sets: z.string().optional(),
    });

    it("says which secret a request would get, and which one it would not, and sends nothing", async () => {
      const valueFile = join(await suite.world.newFolder(), "value");
      await writeFile(valueFile, "stored-value");
      const storedSecrets = [{ name: "Own key", hostname: "api.openai.com", valueFile }];
      const { api } = await suite.serve({ storedSecrets });
      const explain = async (query: string) =>
        explanation.parse(await api.get(200, "GET", `/api/explain?${query}`));
      const { candidates, ...won } = await explain("host=API.openai.com&path=/v1/models");
      assert.deepEqual(won, { host: "api.openai.com", result: "injected", sets: "header Authorization" });
      assert.deepEqual(candidates, [
        { source: "stored", label: "Own key", outcome: "wins" },
        { source: "1password", label: openai.reference, outcome: "stored-wins" },
      ]);
      assert.equal((await explain("host=other.example:8443")).result, "untouched");
      assert.deepEqual(suite.world.upstream.received, []);
      assert.ok(!api.heard.join("").includes("stored-value"));
    });

    it("refuses a host or a path that is none", async () => {
      const { api } = await suite.serve();
      for (const query of ["", "?path=/", "?host=a/b", "?host=a.example&path=v1"]) {
        await api.refused("invalid-input", "GET", `/api/explain${query}`);
      }
    });
  });

  describe("GET health", () => {
    it("needs no token, and tells nothing but the state", async () => {
      const { api } = await suite.serve();
      const headers = { authorization: undefined };
      assert.deepEqual(await api.get(200, "GET", "/api/health", { headers }), { status: "ok" });
    });
  });

  describe("GET ca.pem", () => {
    it("is the CA that signs for mapped hosts", async () => {
      const { api, line } = await suite.serve();
      const { status: code, text } = await api.ask("GET", "/api/ca.pem");
      assert.equal(code, 200);
      const { fingerprint256 } = new X509Certificate(text);
      assert.equal(fingerprint256, new X509Certificate(await readFile(line.ca)).fingerprint256);
    });
  });

  describe("HEAD", () => {
    it("is GET without a body", async () => {
      const { api } = await suite.serve();
      const headers = { authorization: `Bearer ${api.token}` };
      const { status: code, text } = await send(api.port, "HEAD", mappingsPath, { headers });
      assert.deepEqual({ code, text }, { code: 200, text: "" });
    });
  });

  describe("the end", () => {
    it("closes the API with the gateway, idle connections and all", async () => {
      const { api, program } = await suite.serve();
      const socket = connect(api.port, "127.0.0.1");
      const idle = new WireReader(socket);
      socket.write("GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n");
      assert.equal((await idle.answer()).status, 200);
      const closed = once(socket, "close");
      program.kill("SIGTERM");
      await closed;
      assert.equal((await program.ended).status, 0);
      const [refused] = (await once(connect(api.port, "127.0.0.1"), "error")) as [NodeJS.ErrnoException];
      assert.equal(refused.code, "ECONNREFUSED");
    });
  });
});
