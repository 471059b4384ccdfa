import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, readFile, rm, stat, writeFile } from "node:fs/promises";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { endpointOf, runProgram, startProgram } from "../support/program.ts";
import { basicAuthorization, connectTo, WireReader } from "../support/wire.ts";
import { ApiSuite, mappingsPath, type Served } from "./suite.ts";

const openai = { hostname: "api.openai.com", reference: "op://API Keys/OpenAI/api-key" };

describe("management API: who may ask", () => {
  const suite = ApiSuite.use();
  let served: Served;
  beforeEach(async () => {
    served = await suite.serve();
  });

  it("answers 401 with WWW-Authenticate without the token, or with another one", async () => {
    const { api, line } = served;
    const { password } = endpointOf(line);
    for (const authorization of [
      undefined,
      "Bearer",
      "Bearer ",
      `Basic ${api.token}`,
      api.token,
      `Bearer ${api.token.slice(0, -1)}`,
      `Bearer ${api.token}x`,
      `Bearer ${password}`,
      `Bearer ${api.token} ${api.token}`,
    ]) {
      const { status, headers } = await api.ask("GET", mappingsPath, { headers: { authorization } });
      assert.equal(status, 401, authorization);
      assert.equal(headers["www-authenticate"], 'Bearer realm="OneCLI"');
      await api.refused("unauthorized", "PUT", mappingsPath, { json: openai, headers: { authorization } });
      await api.refused("unauthorized", "GET", "/api/nothing", { headers: { authorization } });
    }
    await api.get(200, "GET", mappingsPath, { headers: { authorization: `bearer   ${api.token}` } });
  });

  it("keeps the token of 256 bits in a file of the user's own, and over restarts", async () => {
    const { line, program, configFile, api } = served;
    assert.equal((await stat(line.api!.tokenFile)).mode & 0o777, 0o600);
    assert.ok(Buffer.from(api.token, "base64url").length >= 32);
    assert.notEqual(api.token, endpointOf(line).password);
    program.kill("SIGTERM");
    await program.ended;
    assert.equal((await suite.serveFile(configFile)).api.token, api.token);
  });

  it("answers for loopback names only, in any spelling and with any port (403)", async () => {
    const { api } = served;
    for (const host of [
      "127.0.0.1",
      "localhost",
      "LocalHost:99",
      "[::1]:7",
      `127.0.0.1:${api.port}`,
      "localhost.",
    ]) {
      await api.get(200, "GET", mappingsPath, { headers: { host } });
    }
    for (const host of [
      "evil.example",
      "127.0.0.1.evil.example",
      "localhost.evil.example:80",
      "a b",
      "10.0.0.1",
    ]) {
      await api.refused("host-not-allowed", "GET", mappingsPath, { headers: { host } });
      await api.refused("host-not-allowed", "GET", "/api/health", { headers: { host } });
    }
  });

  it("takes further names of its host from the configuration", async () => {
    const { api } = await suite.serve({ api: { hosts: ["Gateway.Internal"] } });
    await api.get(200, "GET", mappingsPath, { headers: { host: "gateway.internal:8080" } });
    await api.refused("host-not-allowed", "GET", mappingsPath, { headers: { host: "other.internal" } });
  });

  it("refuses a request with two Host fields, or none", async () => {
    const { api } = served;
    for (const [fields, code] of [
      ["Host: localhost\r\nHost: evil.example\r\n", "bad-request"],
      ["", "host-not-allowed"],
    ] as const) {
      const wire = await raw(api.port);
      wire.socket.write(
        `GET ${mappingsPath} HTTP/1.1\r\n${fields}Authorization: Bearer ${api.token}\r\n\r\n`,
      );
      assert.equal((await wire.answer()).headers["x-onecli-error"], code);
      wire.socket.destroy();
    }
  });

  it("refuses what comes from a web page, and allows no origin anything", async () => {
    const { api } = served;
    for (const origin of ["https://evil.example", "http://127.0.0.1", "null", ""]) {
      await api.refused("origin-not-allowed", "GET", mappingsPath, { headers: { origin } });
      await api.refused("origin-not-allowed", "GET", "/api/health", { headers: { origin } });
      const { headers } = await api.ask("OPTIONS", mappingsPath, {
        headers: { origin, "access-control-request-method": "PUT", authorization: undefined },
      });
      assert.equal(headers["access-control-allow-origin"], undefined);
    }
  });

  it("does not answer through the proxy, by whatever name it is called", async () => {
    const { api, line } = await suite.serve({ noProxy: ["127.0.0.0/8", "localhost"] });
    const proxy = endpointOf(line);
    for (const host of ["127.0.0.1", "localhost"]) {
      const target = `${host}:${api.port}`;
      const { answer, wire } = await connectTo(proxy, target);
      assert.equal(answer.status, 502);
      wire.socket.destroy();
      const plain = await raw(proxy.port);
      plain.socket.write(
        `GET http://${target}/api/health HTTP/1.1\r\nHost: ${target}\r\n${basicAuthorization(proxy)}\r\n`,
      );
      assert.equal((await plain.answer()).headers["x-onecli-error"], "upstream-unreachable");
      plain.socket.destroy();
    }
  });

  it("is no proxy itself", async () => {
    const { api } = served;
    const wire = await raw(api.port);
    wire.socket.write(`GET http://evil.example/api/health HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    assert.equal((await wire.answer()).headers["x-onecli-error"], "bad-request");
    wire.socket.destroy();
    const tunnel = await raw(api.port);
    tunnel.socket.write("CONNECT api.openai.com:443 HTTP/1.1\r\nHost: api.openai.com:443\r\n\r\n");
    assert.equal((await tunnel.answer()).headers["x-onecli-error"], "method-not-allowed");
    tunnel.socket.destroy();
  });
});

describe("management API: what it takes", () => {
  let served: Served;
  // Before the suite's own, which ends the gateway.
  afterEach(async () => {
    const { text } = await served.api.ask("GET", mappingsPath);
    assert.equal((text.match(/"id"/g) ?? []).length, 4, "the mappings are as they were");
  });
  const suite = ApiSuite.use();
  beforeEach(async () => {
    served = await suite.serve();
  });

  const wrongBodies: readonly (readonly [string, unknown, RegExp])[] = [
    ["an unknown key", { ...openai, refrence: "x", colour: 1 }, /unknown key "refrence", "colour"/],
    ["a hostname that is no text", { ...openai, hostname: 7 }, /hostname: /],
    ["no hostname", { reference: openai.reference }, /hostname: /],
    ["no reference", { hostname: "api.openai.com" }, /reference: is missing/],
    ["two references", { ...openai, op_ref: "op://a/b/c" }, /op_ref: .*give one of them/],
    ["twice the same reference", { ...openai, op_ref: openai.reference }, /op_ref: .*give one of them/],
    ["a reference that is none", { ...openai, reference: "op://half" }, /reference: /],
    ["a hostname with a scheme", { ...openai, hostname: "https://a.example" }, /hostname: .* has a scheme/],
    ["a wildcard that is too wide", { ...openai, hostname: "*.com" }, /hostname: .*public suffix/],
    ["a path that is none", { ...openai, path: "v1" }, /path: "v1" does not start with \//],
    ["an unknown rule", { ...openai, rule: { kind: "cookie" } }, /rule/],
    [
      "an unknown key in a rule",
      { ...openai, rule: { kind: "query", name: "k", x: 1 } },
      /rule: unknown key "x"/,
    ],
    ["enabled that is no truth value", { ...openai, enabled: "no" }, /enabled: /],
    ["a list", [openai], /expected object/i],
    ["null", null, /expected object/i],
  ];
  for (const [what, json, named] of wrongBodies) {
    it(`refuses ${what} and names it (400)`, async () => {
      assert.match(await served.api.refused("invalid-input", "PUT", mappingsPath, { json }), named);
    });
  }

  it("refuses what is no JSON, and nothing at all (400)", async () => {
    for (const body of ['{"hostname":', "hostname=a.example", "\u0000", '{"hostname":"a.example"} {}']) {
      const message = await served.api.refused("invalid-input", "PUT", mappingsPath, { body });
      assert.match(message, /not valid JSON/);
    }
    const headers = { "content-type": "application/json" };
    await served.api.refused("invalid-input", "PUT", mappingsPath, { headers });
  });

  it("refuses a body that does not say it is JSON (415)", async () => {
    for (const type of [
      undefined,
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/jsonx",
      "text/json",
    ]) {
      await served.api.refused("unsupported-media-type", "PUT", mappingsPath, {
        json: openai,
        headers: { "content-type": type },
      });
    }
  });

  it("refuses a body of more than 64 KB before it was sent, while it is sent, and with Expect (413)", async () => {
    const { api } = served;
    const large = { ...openai, path: `/${"x".repeat(64 * 1024)}` };
    await api.refused("body-too-large", "PUT", mappingsPath, { json: large });
    const chunked = { "transfer-encoding": "chunked" };
    await api.refused("body-too-large", "PUT", mappingsPath, { json: large, headers: chunked });
    const wire = await raw(api.port);
    wire.socket.write(
      head("PUT", mappingsPath, api.token, "Expect: 100-continue", "Content-Length: 99999999"),
    );
    assert.equal((await wire.answer()).status, 413, "without 100 Continue");
    wire.socket.destroy();
  });

  it("takes a body that waits for 100 Continue", async () => {
    const { api } = served;
    const body = JSON.stringify(openai);
    const request = httpRequest({
      port: api.port,
      method: "PUT",
      path: mappingsPath,
      headers: {
        authorization: `Bearer ${api.token}`,
        "content-type": "application/json",
        "content-length": body.length,
        expect: "100-continue",
      },
    });
    request.flushHeaders();
    await once(request, "continue");
    request.end(body);
    const [response] = (await once(request, "response")) as [IncomingMessage];
    assert.equal(response.statusCode, 200);
    response.destroy();
  });

  it("refuses a body and parameters where none are taken (400)", async () => {
    const { api } = served;
    await api.refused("invalid-input", "GET", "/api/vault/onepassword/status?verbose=1");
    await api.refused("invalid-input", "DELETE", `${mappingsPath}/api.openai.com`, { json: openai });
    await api.refused("invalid-input", "DELETE", `${mappingsPath}/api.openai.com?paht=/v1`);
    await api.refused("invalid-input", "DELETE", `${mappingsPath}/api.openai.com?path=/v1&path=/v2`);
    await api.refused("invalid-input", "GET", "/api/activity?since=yesterday");
    await api.refused("invalid-input", "GET", "/api/activity?since=-1");
    await api.refused("invalid-input", "POST", "/api/vault/onepassword/connect", { json: { tokne: "x" } });
  });

  it("refuses a host in the path that is none (400)", async () => {
    for (const host of ["%", "%E4", "a%2Fb", "a%20b", "*", "https%3A%2F%2Fa.example", "a..b"]) {
      const message = await served.api.refused("invalid-input", "DELETE", `${mappingsPath}/${host}`);
      assert.match(message, /hostname: /);
    }
  });

  it("knows no other path (404) and no other method (405, with Allow)", async () => {
    const { api } = served;
    for (const path of ["/", "/api", "/api/", `/${mappingsPath}`, "/API/health", "/api/../x"]) {
      await api.refused("unknown-endpoint", "GET", path);
    }
    for (const [method, path, allow] of [
      ["POST", mappingsPath, "GET, HEAD, PUT"],
      ["OPTIONS", mappingsPath, "GET, HEAD, PUT"],
      ["GET", `${mappingsPath}/api.openai.com`, "DELETE"],
      ["PUT", "/api/vault/onepassword/connect", "POST, DELETE"],
      ["POST", "/api/openapi.json", "GET, HEAD"],
    ] as const) {
      const { headers } = await api.ask(method, path);
      assert.equal(headers.allow, allow);
      await api.refused("method-not-allowed", method, path);
    }
  });

  it("refuses what is no HTTP, and a head of more than 64 KB", async () => {
    const { api } = served;
    const garbage = await raw(api.port);
    garbage.socket.write("\u0016\u0003\u0001 hello\r\n\r\n");
    assert.equal((await garbage.answer()).headers["x-onecli-error"], "bad-request");
    const long = await raw(api.port);
    long.socket.write(head("GET", mappingsPath, api.token, `X-Long: ${"x".repeat(70_000)}`));
    assert.equal((await long.answer()).headers["x-onecli-error"], "header-too-large");
    for (const { socket } of [garbage, long]) {
      socket.destroy();
    }
  });
});

describe("management API: a configuration that cannot be changed", () => {
  const suite = ApiSuite.use();

  it("refuses every write unless the configuration allows them, and says how (403)", async () => {
    const { api, configFile } = await suite.serve({ api: {} });
    const before = await readFile(configFile, "utf8");
    const { token } = suite.world.service;
    for (const [method, path, json] of [
      ["PUT", mappingsPath, { ...openai, hostname: "new.example" }],
      ["DELETE", `${mappingsPath}/api.openai.com`, undefined],
      ["POST", "/api/vault/onepassword/connect", { token }],
      ["DELETE", "/api/vault/onepassword/connect", undefined],
    ] as const) {
      const message = await api.refused("writes-not-allowed", method, path, { json });
      assert.match(message, /"api": \{"writes": true\}/);
    }
    assert.equal(await readFile(configFile, "utf8"), before);
    await api.get(200, "POST", `${mappingsPath}/api.openai.com/test`);
  });

  it("writes nothing over a file that is broken, or gone, and goes on with what was (409)", async () => {
    const { api, configFile } = await suite.serve();
    const half = '{"mappings": [';
    await writeFile(configFile, half);
    const json = { ...openai, hostname: "new.example" };
    const broken = await api.refused("mappings-unwritable", "PUT", mappingsPath, { json });
    assert.match(broken, /not valid JSON/);
    assert.equal(await readFile(configFile, "utf8"), half);
    await rm(configFile);
    const gone = await api.refused("mappings-unwritable", "DELETE", `${mappingsPath}/api.openai.com`);
    assert.match(gone, /does not exist/);
    const { text } = await api.ask("GET", mappingsPath);
    assert.equal((text.match(/"id"/g) ?? []).length, 4);
  });

  it("keeps the mode of the file, its other keys and its indentation", async () => {
    const served = await suite.serve();
    const config = JSON.parse(await readFile(served.configFile, "utf8")) as object;
    await writeFile(served.configFile, JSON.stringify(config, undefined, "\t"));
    await chmod(served.configFile, 0o640);
    await served.api.get(204, "DELETE", `${mappingsPath}/api.openai.com`);
    assert.equal((await stat(served.configFile)).mode & 0o777, 0o640);
    const text = await readFile(served.configFile, "utf8");
    assert.match(text, /^\t"mappings"/m);
    assert.deepEqual(Object.keys(JSON.parse(text) as object), Object.keys(config));
  });

  const wrong: readonly (readonly [string, unknown, RegExp])[] = [
    ["an unknown key", { write: true }, /api: unknown key "write"/],
    ["a port that is none", { port: 70_000 }, /api\.port: /],
    ["a token file that is not there", { tokenFile: "none" }, /api\.tokenFile: .*cannot be read \(ENOENT\)/],
    ["a host that is none", { hosts: ["a/b"] }, /api\.hosts\.0: "a\/b" has a path/],
    ["a wildcard for a host", { hosts: ["*.example.com"] }, /api\.hosts\.0: .*wildcard/],
  ];
  for (const [what, api, named] of wrong) {
    it(`does not start with ${what} (contract 21)`, async () => {
      await doesNotStart(await suite.world.config({ api }), named);
    });
  }

  async function doesNotStart(file: string, named: RegExp): Promise<void> {
    const { status, stdout, stderr } = await runProgram(["serve", "--config", file], {
      env: suite.world.env(),
    });
    assert.deepEqual({ status, stdout }, { status: 2, stdout: "" });
    assert.match(stderr, /^onecli-gateway: [^\n]+\n$/);
    assert.match(stderr, named);
  }

  it("does not start with a token that is too short, and shows none of it", async () => {
    const file = await suite.world.config({ api: { tokenFile: "token" } });
    await writeFile(join(dirname(file), "token"), "hunter2\n");
    await doesNotStart(file, /api\.tokenFile: (?!.*hunter2).*at least 43/);
  });

  it("does not start where its port is taken", async () => {
    const { api } = await suite.serve();
    await doesNotStart(await suite.world.config({ api: { port: api.port } }), /api\.port: .*\(EADDRINUSE\)/);
  });

  it("takes the token from the file that it is told", async () => {
    const token = "T".repeat(64);
    const file = await suite.world.config({ api: { tokenFile: "token" } });
    await writeFile(join(dirname(file), "token"), `${token}\n`);
    const { api } = await suite.serveFile(file);
    assert.equal(api.token, token);
    await api.get(200, "GET", mappingsPath);
  });

  it("has no API where none is asked for", async () => {
    const file = await suite.world.config();
    const line = await startProgram(["serve", "--config", file], { env: suite.world.env() }).serving();
    assert.equal(line.api, undefined);
  });
});

/** A connection that sends what it is told. */
async function raw(port: number): Promise<WireReader> {
  const socket: Socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  return new WireReader(socket);
}

function head(method: string, path: string, token: string, ...fields: string[]): string {
  const lines = [
    "Host: localhost",
    `Authorization: Bearer ${token}`,
    "Content-Type: application/json",
    ...fields,
  ];
  return `${method} ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
}
