import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { type IncomingMessage, type ServerResponse } from "node:http";
import { type ClientHttp2Session } from "node:http2";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fieldValues } from "../../src/core/headers.ts";
import { type MappingInput } from "../../src/core/mapping.ts";
import { parseSecretReference } from "../../src/core/secretReference.ts";
import { knownServices } from "../../src/core/services.ts";
import { proxyUrl } from "../../src/core/terminalEnvironment.ts";
import { type ActivityRecord } from "../../src/shared/gatewayProtocol.ts";
import { leaksIn } from "../support/canary.ts";
import { type Fixture, mappingsOf, secrets, startFixture } from "../support/gatewayFixture.ts";
import { ask as askHttp2, openHttp2 } from "../support/http2.ts";
import { proxyForClients } from "../support/proxyTls.ts";
import { killPrograms, Program } from "../support/program.ts";
import { assertRefusal, basicAuthorization, openConnection, requestHead } from "../support/wire.ts";

const openai = "op://API Keys/OpenAI/api-key";
const anthropic = "op://API Keys/Anthropic/credential";
const github = "op://Dev Tokens/GitHub/token";

const mappings: readonly MappingInput[] = [
  { hostname: "api.anthropic.com", reference: anthropic },
  { hostname: "api.openai.com", reference: openai },
  { hostname: "github.com", reference: github },
  {
    hostname: "header.example",
    reference: openai,
    rule: { kind: "header", name: "X-Key", value: "k={value}" },
  },
  { hostname: "basic.example", reference: openai, rule: { kind: "basic", username: "jürgen" } },
  { hostname: "query.example", reference: openai, rule: { kind: "query", name: "key" } },
  { hostname: "preset.example", reference: openai, rule: { kind: "service", id: "gemini" } },
  { hostname: "paths.example", path: "/v1/", reference: openai },
  { hostname: "paths.example", path: "/v1/admin", reference: anthropic },
  { hostname: "paths.example", path: "/off", reference: openai, enabled: false },
];

const basic = (username: string, value: string) =>
  `Basic ${Buffer.from(`${username}:${value}`).toString("base64")}`;

describe("rules", () => {
  let fixture: Fixture;
  before(async () => {
    fixture = await startFixture({ mappings });
  });
  after(() => fixture.stop());
  beforeEach(() => {
    fixture.upstream.reset();
    fixture.logger.lines.length = 0;
  });

  /** The answer to a request, what the upstream got of it, and the record that follows. */
  async function ask(host: string, target: string, ...fields: string[]) {
    const recorded = nextRecord();
    const wire = await fixture.open(`${host}:443`);
    wire.send(requestHead(`GET ${target}`, `Host: ${host}`, ...fields));
    const answer = await wire.answer();
    wire.socket.destroy();
    return { answer, received: fixture.upstream.received.at(-1), record: await recorded };
  }

  function nextRecord(): Promise<ActivityRecord> {
    return new Promise((resolve) => {
      const end = fixture.gateway.activity.subscribe((record) => {
        end();
        resolve(record);
      });
    });
  }

  it("set the header that a mapping names, and nothing else (contract 45)", async () => {
    const { received } = await ask("header.example", "/", "x-key: own", "Authorization: Bearer own");
    assert.equal(received?.headers["x-key"], `k=${secrets.openai}`);
    assert.equal(received.headers.authorization, "Bearer own");
  });

  it("set Basic credentials in place of those of curl -u (contract 45)", async () => {
    const { received } = await ask("basic.example", "/", `Authorization: ${basic("me", "mine")}`);
    assert.deepEqual(fieldValues(received?.rawHeaders ?? [], "authorization"), [
      basic("jürgen", secrets.openai),
    ]);
  });

  it("set a parameter of the query and leave the rest of the target as it was (contract 11, 45)", async () => {
    for (const [target, forwarded] of [
      ["/a//b;c?x=%41+1&&y", `/a//b;c?x=%41+1&&y&key=${secrets.openai}`],
      ["/?key=own&z=/../?&k%65y=2", `/?key=${secrets.openai}&z=/../?`],
      ["/%zz", `/%zz?key=${secrets.openai}`],
    ] as const) {
      const { received } = await ask("query.example", target, "Authorization: kept");
      assert.equal(received?.url, forwarded);
      assert.equal(received.headers.authorization, "kept");
    }
  });

  it("show a secret that went into the query in no record, answer or log (contract 45)", async () => {
    const shown: unknown[] = [];
    const plain = await ask("query.example", "/path?key=own#key=own");
    assert.equal(plain.record.path, "/path");
    fixture.upstream.handler = (request) => request.socket.destroy();
    const failed = await ask("query.example", "/path?a");
    assertRefusal(failed.answer, 502, "upstream-unreachable");
    fixture.upstream.handler = (request) => request.socket.end("This is no HTTP.\r\n\r\n");
    const malformed = await ask("query.example", "/path?a");
    assertRefusal(malformed.answer, 502, "upstream-unreachable");
    shown.push(plain.record, failed.record, failed.answer, malformed.record, malformed.answer);
    const text = JSON.stringify([shown, fixture.logger.lines, fixture.gateway.activity.recent()]);
    assert.deepEqual(leaksIn(text, new Map(Object.entries(secrets))), []);
  });

  it("send as a known service takes it, on whichever host (contract 45, 46)", async () => {
    const { received } = await ask("preset.example", "/v1?key=own&b", "Authorization: Bearer own");
    assert.equal(received?.headers["x-goog-api-key"], secrets.openai);
    assert.equal(received.headers.authorization, undefined);
    assert.equal(received.url, "/v1?b");
  });

  it("send an Anthropic OAuth token as a bearer token (contract 46)", async () => {
    const token = "sk-ant-oat01-test-OAUTH-VALUE";
    fixture.service.rotate("API Keys", "Anthropic", "credential", token);
    fixture.gateway.invalidate();
    const { received } = await ask("api.anthropic.com", "/v1/messages", "x-api-key: placeholder");
    fixture.service.rotate("API Keys", "Anthropic", "credential", secrets.anthropic);
    fixture.gateway.invalidate();
    assert.equal(received?.headers.authorization, `Bearer ${token}`);
    assert.equal(received.headers["x-api-key"], undefined);
  });

  const bearer = (value: string) => `Bearer ${value}`;
  const byPath: readonly (readonly [string, string | undefined, string | undefined])[] = [
    ["/v1", bearer(secrets.openai), "paths.example/v1/"],
    ["/v1/models?x=/admin", bearer(secrets.openai), "paths.example/v1/"],
    ["/v1/admin/users", bearer(secrets.anthropic), "paths.example/v1/admin/"],
    ["/v1/administrator", bearer(secrets.openai), "paths.example/v1/"],
    ["/", undefined, undefined],
    ["/v10/models", undefined, undefined],
    ["/off/x", undefined, undefined],
    // Spelled to look like another path than it is.
    ["/%76%31/models", bearer(secrets.openai), "paths.example/v1/"],
    ["//v1/./models", bearer(secrets.openai), "paths.example/v1/"],
    ["/x/../v1/models", bearer(secrets.openai), "paths.example/v1/"],
    ["/v1/models/../%61dmin", bearer(secrets.anthropic), "paths.example/v1/admin/"],
    ["/v1/admin/../models", bearer(secrets.openai), "paths.example/v1/"],
    ["/v1/../public", undefined, undefined],
    ["/v1/%2e%2E/public", undefined, undefined],
    ["/v1/admin/%2e./.%2e/public", undefined, undefined],
  ];
  for (const [target, value, mapping] of byPath) {
    it(`are chosen by what a path means: ${target} (contract 45)`, async () => {
      const { answer, received, record } = await ask("paths.example", target);
      assert.equal(answer.status, 200);
      assert.equal(received?.url, target, "sent on as it was written");
      assert.equal(received.headers.authorization, value);
      assert.equal(record.mapping, mapping);
    });
  }

  for (const target of [
    "/v1//../public",
    "/v1/..%2fpublic",
    "/v1/..;/public",
    "/v1/admin/..%5cmodels",
    "/v1/%252e%252e/public",
    "/v1%2fmodels",
    "/v1/x;/../..;y/admin",
  ]) {
    it(`are not guessed where servers differ about a path: ${target} (contract 45)`, async () => {
      const { answer, received, record } = await ask("paths.example", target);
      assertRefusal(answer, 400, "bad-request");
      assert.equal(received, undefined);
      assert.deepEqual([record.error, record.mapping], ["bad-request", undefined]);
    });
  }

  it("leave a path that is not mapped alone, its credentials and 1Password as well (contract 45)", async () => {
    fixture.gateway.invalidate();
    fixture.service.clearRequests();
    const { received, record } = await ask("paths.example", "/v2?key=own", "Authorization: Bearer own");
    assert.equal(received?.headers.authorization, "Bearer own");
    assert.equal(received.url, "/v2?key=own");
    assert.equal(record.cacheHit, undefined);
    assert.deepEqual(fixture.service.requests, []);
  });

  it("change for one path while the others of its host go on, on the same connection (contract 45)", async () => {
    const isOther = ({ path }: MappingInput) => path !== "/v1/admin";
    const wire = await fixture.open("paths.example:443");
    const get = async (path: string) => {
      wire.send(requestHead(`GET ${path}`, "Host: paths.example"));
      assert.equal((await wire.answer()).status, 200);
      return fixture.upstream.received.at(-1)?.headers.authorization;
    };
    assert.equal(await get("/v1/admin"), bearer(secrets.anthropic));
    assert.equal(await get("/v1"), bearer(secrets.openai));
    const cached = (reference: string) =>
      fixture.gateway.cacheAge(parseSecretReference(reference)) !== undefined;
    fixture.gateway.setMappings(
      mappingsOf(mappings.filter((input) => isOther(input) && input.hostname === "paths.example")),
    );
    assert.deepEqual([cached(anthropic), cached(openai)], [false, true]);
    assert.equal(await get("/v1/admin"), bearer(secrets.openai));
    fixture.gateway.setMappings(mappingsOf(mappings));
    assert.equal(await get("/v1/admin"), bearer(secrets.anthropic));
    wire.socket.destroy();
  });

  it("are chosen, and written into the query, by HTTP/2 as well (contract 24, 45)", async () => {
    const open = (host: string) => openHttp2(fixture.endpoint, `${host}:443`, fixture.pems.certificate);
    const paths = await open("paths.example");
    const query = await open("query.example");
    const get = async (session: ClientHttp2Session, path: string) => {
      const { status } = await askHttp2(session, { ":path": path, authorization: "Bearer own" });
      return [status, fixture.upstream.received.at(-1)?.headers.authorization];
    };
    assert.deepEqual(await get(paths, "/%76%31/x"), [200, bearer(secrets.openai)]);
    assert.deepEqual(await get(paths, "/v1/x/../admin"), [200, bearer(secrets.anthropic)]);
    assert.deepEqual(await get(paths, "/v1/../public"), [200, "Bearer own"]);
    const count = fixture.upstream.received.length;
    assert.equal((await get(paths, "/v1/..%2fpublic"))[0], 400);
    assert.equal(fixture.upstream.received.length, count);
    await get(query, "/?a&key=own");
    assert.equal(fixture.upstream.received.at(-1)?.url, `/?a&key=${secrets.openai}`);
    paths.destroy();
    query.destroy();
  });

  describe("and git", () => {
    let folder: string;
    let env: NodeJS.ProcessEnv;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "onecli-git-"));
      await writeFile(join(folder, "ca.pem"), fixture.pems.certificate);
      const proxy = await proxyForClients(proxyUrl(fixture.endpoint));
      await writeFile(join(folder, "proxy-ca.pem"), proxy.ca ?? "");
      env = {
        PATH: process.env["PATH"],
        HOME: folder,
        HTTPS_PROXY: proxy.url,
        GIT_PROXY_SSL_CAINFO: join(folder, "proxy-ca.pem"),
        GIT_SSL_CAINFO: join(folder, "ca.pem"),
        GIT_HTTP_PROXY_AUTHMETHOD: "basic",
        GIT_TERMINAL_PROMPT: "0",
        GIT_CONFIG_NOSYSTEM: "1",
      };
    });
    after(async () => {
      await killPrograms();
      await rm(folder, { recursive: true });
    });
    const git = async (...args: string[]) => {
      const outcome = await new Program("git", args, { env, cwd: folder }).ended;
      assert.equal(outcome.status, 0, outcome.stderr);
      return outcome.stdout;
    };

    it("clone and push over HTTPS with a token that git does not have (contract 45, 46)", async function () {
      this.timeout(30_000);
      const commit = ["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "-m"];
      await git("init", "--quiet", "--bare", "demo.git");
      await git("-C", "demo.git", "config", "http.receivepack", "true");
      fixture.upstream.keepBodies = false;
      fixture.upstream.handler = gitServer(folder, basic("x-access-token", secrets.github));
      await git("clone", "--quiet", "https://github.com/demo.git", "clone");
      await writeFile(join(folder, "clone", "README"), "pushed\n");
      await git("-C", "clone", "add", ".");
      await git("-C", "clone", ...commit, "one");
      await git("-C", "clone", "push", "--quiet", "origin", "HEAD:refs/heads/main");
      await git("clone", "--quiet", "--branch", "main", "https://github.com/demo.git", "second");
      assert.equal(await readFile(join(folder, "second", "README"), "utf8"), "pushed\n");
      assert.ok(fixture.upstream.received.length >= 6);
    });
  });

  describe("and placeholders", () => {
    const placeholder = (id: string): string =>
      Object.values(knownServices.find((service) => service.id === id)?.placeholders ?? {})[0] ?? "";
    const warning = ({ warning: kind, service }: ActivityRecord) => [kind, service];
    const none = [undefined, undefined];

    /** A plain http request to a host that is not mapped. */
    async function askPlain(target: string, ...fields: string[]) {
      const recorded = nextRecord();
      const wire = await openConnection(fixture.endpoint);
      wire.send(requestHead(`GET ${target}`, ...fields, basicAuthorization(fixture.endpoint).trimEnd()));
      await wire.answer();
      wire.socket.destroy();
      return recorded;
    }

    it("replace the agent's own without a warning, and want none", async () => {
      const own = await ask("api.openai.com", "/", `Authorization: Bearer ${placeholder("openai")}`);
      assert.equal(own.received?.headers.authorization, bearer(secrets.openai));
      assert.deepEqual(warning(own.record), none);
      const bare = await ask("api.openai.com", "/");
      assert.equal(bare.received?.headers.authorization, bearer(secrets.openai));
      assert.deepEqual(fixture.logger.lines, []);
    });

    it("warn of one on its way to another mapped host, unless injection takes it away", async () => {
      const taken = await ask("api.anthropic.com", "/", `Authorization: Bearer ${placeholder("openai")}`);
      assert.deepEqual(warning(taken.record), none);
      const kept = await ask("api.anthropic.com", "/", `X-Other: ${placeholder("openai")}`);
      assert.equal(kept.received?.headers["x-other"], placeholder("openai"));
      assert.deepEqual(warning(kept.record), ["placeholder-leak", "openai"]);
      const unmapped = await ask("paths.example", `/v2?key=${placeholder("gemini")}`);
      assert.deepEqual(warning(unmapped.record), ["placeholder-leak", "gemini"]);
    });

    it("warn of one in a plain http request, also inside Basic credentials", async () => {
      const field = await askPlain(
        "http://evil.example/",
        `Authorization: Bearer ${placeholder("anthropic")}`,
      );
      assert.deepEqual(warning(field), ["placeholder-leak", "anthropic"]);
      const query = await askPlain(`http://evil.example/?k=${placeholder("brave")}`);
      assert.deepEqual(warning(query), ["placeholder-leak", "brave"]);
      assert.ok(!JSON.stringify(query).includes(placeholder("brave")));
      const password = basic("x-access-token", placeholder("github"));
      const inBasic = await askPlain("http://evil.example/", `Authorization: ${password}`);
      assert.deepEqual(warning(inBasic), ["placeholder-leak", "github"]);
    });

    it("say in the log which service's went where, and not the value", async () => {
      await ask("api.anthropic.com", "/", `X-Other: ${placeholder("openai")}`);
      const [line] = fixture.logger.lines;
      assert.equal(fixture.logger.lines.length, 1);
      assert.match(JSON.stringify(line), /warn.*openai.*api\.anthropic\.com/);
      assert.ok(!JSON.stringify(line).includes(placeholder("openai")));
    });

    it("are no leak where a request is refused before it goes anywhere", async () => {
      const refused = await askPlain(
        "http://api.openai.com/",
        `Authorization: Bearer ${placeholder("anthropic")}`,
      );
      assert.deepEqual([refused.error, ...warning(refused)], ["insecure-request", ...none]);
    });
  });
});

/** `git http-backend` behind a door that opens for one credential. */
function gitServer(root: string, credential: string) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    if (request.headers.authorization !== credential) {
      request.resume();
      response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
      return;
    }
    const { pathname, search } = new URL(request.url ?? "", "https://github.com");
    const backend = spawn("git", ["http-backend"], {
      env: {
        PATH: process.env["PATH"],
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: "1",
        REQUEST_METHOD: request.method,
        PATH_INFO: pathname,
        QUERY_STRING: search.slice(1),
        CONTENT_TYPE: request.headers["content-type"] ?? "",
        HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
        GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
        REMOTE_USER: "x-access-token",
      },
      stdio: ["pipe", "pipe", "inherit"],
    });
    request.pipe(backend.stdin);
    const chunks: Buffer[] = [];
    backend.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    backend.stdout.once("end", () => {
      const output = Buffer.concat(chunks);
      const end = output.indexOf("\r\n\r\n");
      const fields = output.subarray(0, end).toString("latin1").split("\r\n");
      const status = Number(/^Status: (\d+)/m.exec(fields.join("\n"))?.[1] ?? 200);
      const headers = fields
        .filter((field) => !field.startsWith("Status:"))
        .flatMap((field) => field.split(/: (.*)/s, 2));
      response.writeHead(status, headers).end(output.subarray(end + 4));
    });
  };
}
