import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { dirname, join } from "node:path";
import { type HeadlessWorld, startHeadlessWorld } from "../support/headlessWorld.ts";
import { killPrograms, type Outcome, runProgram, startProgram } from "../support/program.ts";

const reference = "op://API Keys/OpenAI/api-key";
const someHash = `sha256:${"0".repeat(64)}`;

describe("onecli-gateway: configuration", () => {
  let world: HeadlessWorld;

  before(async () => {
    world = await startHeadlessWorld();
  });

  after(() => world.stop());

  afterEach(killPrograms);

  /** Contract 21: one line that names the file and what is wrong; nothing on stdout; nothing was made. */
  async function refuses(file: string, named: RegExp, env = world.env()): Promise<Outcome> {
    const outcome = await runProgram(["serve", "--config", file], { env });
    assert.equal(outcome.stdout, "");
    assert.match(outcome.stderr, /^onecli-gateway: [^\n]+\n$/, "one line");
    assert.ok(outcome.stderr.includes(file), `names the file: ${outcome.stderr}`);
    assert.match(outcome.stderr, named);
    assert.doesNotMatch(outcome.stderr, /\bat .*:\d+:\d+/, "no stack");
    assert.equal(outcome.status, 2);
    return outcome;
  }

  const withRule = (rule: unknown) => ({ mappings: [{ hostname: "a.example", reference, rule }] });
  const wrongShapes: readonly (readonly [string, Record<string, unknown>, RegExp])[] = [
    ["an unknown key", { mapings: [] }, /unknown key "mapings"/],
    ["an unknown key in listen", { listen: { port: 0, hots: "::1" } }, /listen: unknown key "hots"/],
    [
      "a host that is no address",
      { listen: { host: "gateway" } },
      /listen\.host: "gateway" is no IP address/,
    ],
    [
      "a host beyond loopback with neither TLS nor a word that it may be so",
      { listen: { host: "0.0.0.0" }, agents: [{ name: "ci-1", passwordHash: someHash }] },
      /listen\.host: 0\.0\.0\.0 is beyond loopback: set listen\.tls .*or "insecure": true/,
    ],
    [
      "a host beyond loopback without agents",
      { listen: { host: "::", insecure: true } },
      /agents: none is there, and beyond loopback .*"onecli-gateway agent NAME" makes one/,
    ],
    [
      "TLS that is insecure",
      { listen: { insecure: true, tls: { certificate: "a", key: "b" } } },
      /listen\.insecure: is for a proxy without TLS/,
    ],
    ["TLS without a key", { listen: { tls: { certificate: "a" } } }, /listen\.tls\.key: /],
    [
      "a certificate that is not there",
      { listen: { tls: { certificate: "gone.pem", key: "gone.pem" } } },
      /listen\.tls\.certificate: gone\.pem cannot be read/,
    ],
    [
      "a certificate for a key",
      { listen: { tls: { certificate: "upstream-ca.pem", key: "upstream-ca.pem" } } },
      /listen\.tls\.key: upstream-ca\.pem is no key in PEM form, or not that of the certificate/,
    ],
    [
      "an agent whose password is in clear, and does not show it",
      { agents: [{ name: "ci-1", passwordHash: "hunter2" }] },
      /agents\.0: passwordHash: is not "sha256:" and 64 hexadecimal digits; "onecli-gateway agent ci-1" makes/,
    ],
    [
      "an agent with a hash of another kind",
      { agents: [{ name: "ci-1", passwordHash: "$2b$10$abcdefghijklmnopqrstuv" }] },
      /agents\.0: passwordHash: is not "sha256:"/,
    ],
    [
      "two agents of one name",
      { agents: [1, 2].map(() => ({ name: "ci-1", passwordHash: someHash })) },
      /agents\.1: name: "ci-1" is there twice/,
    ],
    [
      "an agent with a colon in its name",
      { agents: [{ name: "ci:1", passwordHash: someHash }] },
      /agents\.0: name: "ci:1" is no name/,
    ],
    [
      "an agent that is called as the gateway's own user",
      { agents: [{ name: "onecli", passwordHash: someHash }] },
      /agents\.0: name: "onecli" is the gateway's own user name/,
    ],
    ["an unknown key in an agent", { agents: [{ name: "a", password: "x" }] }, /agents\.0/],
    ["an unknown log format", { log: { format: "xml" } }, /log\.format: /],
    ["a delay that is no time", { stopDelay: -1 }, /stopDelay: /],
    ["an unknown log level", { log: { level: "loud" } }, /log\.level: /],
    [
      "a CA that is not there",
      { authority: { certificate: "gone.pem", key: "gone.pem" } },
      /authority\.certificate: gone\.pem cannot be read/,
    ],
    [
      "a CA without its key",
      { authority: { certificate: "upstream-ca.pem", key: "upstream-ca.pem" } },
      /authority: upstream-ca\.pem and .* are not a CA certificate and its P-256 key.*onecli-gateway authority/,
    ],
    [
      "an unknown key in a mapping",
      { mappings: [{ hostname: "a.example", reference, header: "x" }] },
      /mappings\.0: unknown key "header"/,
    ],
    ["no mappings", { mappings: undefined }, /mappings: /],
    ["mappings that are no list", { mappings: {} }, /mappings: /],
    ["a mapping that is no object", { mappings: ["a.example"] }, /mappings\.0: /],
    ["a mapping without a hostname", { mappings: [{ reference }] }, /mappings\.0: hostname: /],
    ["a mapping without a reference", { mappings: [{ hostname: "a.example" }] }, /mappings\.0: reference: /],
    ["a hostname that is no text", { mappings: [{ hostname: 7, reference }] }, /mappings\.0: hostname: /],
    [
      "enabled that is neither true nor false",
      { mappings: [{ hostname: "a.example", reference, enabled: "no" }] },
      /mappings\.0: enabled: /,
    ],
    [
      "a path that is none",
      { mappings: [{ hostname: "a.example", path: "v1", reference }] },
      /mappings\.0: path: "v1" does not start with \//,
    ],
    [
      "a path with a dot segment",
      { mappings: [{ hostname: "a.example", path: "/v1/../x", reference }] },
      /mappings\.0: path: "\/v1\/\.\.\/x" has a dot segment/,
    ],
    [
      "a rule of no kind",
      withRule({ name: "x" }),
      /mappings\.0: rule\.kind: is none of header, basic, query/,
    ],
    ["a rule of an unknown kind", withRule({ kind: "cookie" }), /mappings\.0: rule\.kind: is none of/],
    ["a rule that is a text", withRule("bearer"), /mappings\.0: rule: /],
    [
      "a header that frames the request",
      withRule({ kind: "header", name: "Host", value: "{value}" }),
      /mappings\.0: rule\.name: .*frames/,
    ],
    [
      "a header without the secret",
      withRule({ kind: "header", name: "X-Key", value: "x" }),
      /mappings\.0: rule\.value: must hold \{value\}/,
    ],
    [
      "an unknown key in a rule",
      withRule({ kind: "query", name: "key", value: "x" }),
      /mappings\.0: rule: unknown key "value"/,
    ],
    [
      "a user name with a colon",
      withRule({ kind: "basic", username: "a:b" }),
      /mappings\.0: rule\.username: has a colon/,
    ],
    ["an empty parameter", withRule({ kind: "query", name: "" }), /mappings\.0: rule\.name: is empty/],
    [
      "a service that is not known, naming those that are",
      withRule({ kind: "service", id: "gemni" }),
      /mappings\.0: rule\.id: "gemni" is none of anthropic, .*gemini/,
    ],
    [
      "a service that needs a user name",
      withRule({ kind: "service", id: "atlassian" }),
      /mappings\.0: rule\.id: "atlassian" needs .*e-mail/,
    ],
    ["a port above 65535", { listen: { port: 65_536 } }, /listen\.port: /],
    ["a port below 0", { listen: { port: -1 } }, /listen\.port: /],
    ["a port that is no whole number", { listen: { port: 80.5 } }, /listen\.port: /],
    ["a port that is a text", { listen: { port: "8080" } }, /listen\.port: /],
    ["an empty dataDir", { dataDir: "" }, /dataDir: /],
    ["a dataDir that is no text", { dataDir: true }, /dataDir: /],
    ["extraCaCertificates that are no list", { extraCaCertificates: "ca.pem" }, /extraCaCertificates: /],
    ["a parentProxy that is no text", { parentProxy: null }, /parentProxy: /],
  ];
  for (const [what, changes, named] of wrongShapes) {
    it(`refuses ${what} by name (contract 21)`, async () => {
      await refuses(await world.config(changes), named);
    });
  }

  const duplicates: readonly (readonly [string, string])[] = [
    ["API.OpenAI.com.", "api.openai.com"],
    ["api.openai.com:443", "api.openai.com"],
    ["*.EXAMPLE.com", "*.example.com."],
    ["bücher.example", "xn--bcher-kva.example"],
    ["127.1", "127.0.0.1"],
    ["[::1]", "[0:0::1]"],
  ];
  for (const [first, second] of duplicates) {
    it(`takes ${first} and ${second} for the same host (contract 21)`, async () => {
      const hosts = [first, second].map((hostname) => ({ hostname, reference }));
      await refuses(await world.config({ mappings: hosts }), /mappings\.1: hostname: ".+" is mapped twice/);
    });
  }

  for (const [first, second] of [
    ["/v1", "/v1/"],
    ["/v1/", "//%76%31"],
    ["/a%2fb", "/a%2Fb/"],
  ] as const) {
    it(`takes the paths ${first} and ${second} of a host for the same (contract 21, 45)`, async () => {
      const entries = [first, second].map((path) => ({ hostname: "a.example", path, reference }));
      await refuses(
        await world.config({ mappings: entries }),
        /mappings\.1: path: "a\.example.+" is mapped twice/,
      );
    });
  }

  it("takes every kind of rule, and several paths of a host (contract 45)", async () => {
    const entries = [
      { path: "/v1/", rule: { kind: "header", name: "x-goog-api-key", value: "{value}" } },
      { path: "/v2", rule: { kind: "basic", username: "x-access-token" } },
      { path: "/bücher/", rule: { kind: "query", name: "key" } },
      { rule: { kind: "service", id: "gemini" } },
    ].map((entry) => ({ hostname: "a.example", reference, ...entry }));
    const program = startProgram(["serve", "--config", await world.config({ mappings: entries })], {
      env: world.env(),
    });
    await program.serving();
    program.kill("SIGTERM");
    assert.equal((await program.ended).status, 0);
  });

  const refusedHosts = [
    "",
    " ",
    "https://api.openai.com",
    "api.openai.com/v1",
    "api.openai.com?x",
    "api.openai.com#x",
    "user@api.openai.com",
    "user:password@api.openai.com",
    "api openai.com",
    " api.openai.com",
    "api.openai.com\t",
    "api.openai.com\n",
    "*",
    "*.",
    "*.com",
    "*.co.uk",
    "*.github.io",
    "*.localhost",
    "*.127.0.0.1",
    "*.*.example.com",
    "api.*.example.com",
    "*api.example.com",
    "**.example.com",
    "api..example.com",
    ".example.com",
    "example.com..",
    "api.example.com:0",
    "api.example.com:65536",
    "api.example.com:https",
    "api.example.com:",
    "[::1",
    `${"a".repeat(64)}.example.com`,
  ];
  for (const hostname of refusedHosts) {
    it(`refuses the host ${JSON.stringify(hostname)} at the start (contract 34)`, async () => {
      const { stderr } = await refuses(
        await world.config({ mappings: [{ hostname, reference }] }),
        /mappings\.0: hostname: /,
      );
      assert.ok(stderr.includes(JSON.stringify(hostname)), `names the host: ${stderr}`);
    });
  }

  const refusedReferences = [
    "",
    "API Keys/OpenAI/api-key",
    "op://",
    "op://API Keys/OpenAI",
    "op://API Keys//api-key",
    "op://API Keys/OpenAI/",
    "op://API Keys/OpenAI/section/api-key/more",
    "op://API Keys/OpenAI/ /api-key",
    "op://API Keys/OpenAI/one-time?attribute=password",
    "op://API Keys/OpenAI/one-time?attribute=",
    "op://API Keys/OpenAI/one-time?otp",
    "op://API Keys/OpenAI/one-time?attribute=otp&x=1",
  ];
  for (const text of refusedReferences) {
    it(`refuses the reference ${JSON.stringify(text)} (contract 33)`, async () => {
      const file = await world.config({ mappings: [{ hostname: "a.example", reference: text }] });
      await refuses(file, /mappings\.0: reference: /);
    });
  }

  it("takes references of three and four parts, one-time codes, odd hosts and a BOM (contract 33, 34)", async () => {
    const file = join(await world.newFolder(), "config.json");
    const entries = [
      ["localhost", reference],
      ["intranet:8443", "op://Vault/Item/Section/field"],
      ["*.example.co.uk", "op://Vault/Item/one-time?attribute=otp"],
      ["[2001:db8::1]", "op://Vault/Item/one-time?attribute=totp"],
      ["10.0.0.7:8080", reference],
      ["bücher.example.", reference],
      ["under_score.example", reference],
    ].map(([hostname, text]) => ({ hostname, reference: text }));
    await writeFile(file, `\uFEFF${JSON.stringify({ mappings: entries, dataDir: "state" })}`);
    const program = startProgram(["serve", "--config", file], { env: world.env() });
    await program.serving();
    program.kill("SIGTERM");
    assert.equal((await program.ended).status, 0);
  });

  it("says where a file is no JSON (contract 21)", async () => {
    const file = join(await world.newFolder(), "config.json");
    for (const text of ['{\n  "mappings": [],\n}', "", "{'mappings': []}", "[", '{"mappings": [\n']) {
      await writeFile(file, text);
      await refuses(file, /not valid JSON/);
    }
    for (const text of ["[]", "null", '"mappings"']) {
      await writeFile(file, text);
      await refuses(file, /expected object/);
    }
  });

  it("says that the file is not there, or no file (contract 21)", async () => {
    const folder = await world.newFolder();
    await refuses(join(folder, "missing.json"), /does not exist/);
    await refuses(folder, /cannot be read/);
  });

  it("names an extra CA that is missing, no PEM, or broken (contract 21)", async () => {
    const file = await world.config({ extraCaCertificates: ["upstream-ca.pem", "extra.pem"] });
    const extra = join(dirname(file), "extra.pem");
    await refuses(file, /extraCaCertificates\.1: extra\.pem cannot be read/);
    await writeFile(extra, "not a certificate\n");
    await refuses(file, /extraCaCertificates\.1: extra\.pem holds no certificate/);
    await writeFile(extra, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    await refuses(file, /extraCaCertificates\.1: extra\.pem holds a certificate that cannot be read/);
  });

  const password = "S3CR3T-of-the-proxy";
  const refusedProxies = [
    `ftp://user:${password}@proxy.example:3128`,
    `https+unix://user:${password}@proxy.example`,
    `http://user:${password}@proxy.example:99999`,
    `http://user:${password}@proxy.example:3128/path`,
    `http://user:${password}@proxy.example:3128?query`,
    `http://user:${password}%ZZ@proxy.example:3128`,
    `http://user:${password}@`,
    "",
  ];
  for (const url of refusedProxies) {
    it(`refuses the parent proxy ${JSON.stringify(url)} without its password (contract 21, 23)`, async () => {
      const configured = await refuses(await world.config({ parentProxy: url }), /parentProxy/);
      assert.ok(!configured.stderr.includes(password));
      if (url !== "") {
        const file = await world.config({ parentProxy: undefined });
        const inherited = await refuses(file, /HTTPS_PROXY/, world.env({ HTTPS_PROXY: url }));
        assert.ok(!inherited.stderr.includes(password));
      }
    });
  }

  it("refuses a parent proxy that is the gateway itself (contract 21, 37)", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    const listen = { port };
    const configured = await world.config({ listen, parentProxy: `http://user:pw@localhost:${port}` });
    await refuses(configured, /: parentProxy leads back to this gateway; name the proxy .*, or none$/m);
    const env = world.env({ HTTPS_PROXY: `socks5://127.0.0.1:${port}` });
    await refuses(await world.config({ listen, parentProxy: undefined }), /: HTTPS_PROXY of the /, env);
  });

  it("says that the port is in use (contract 21)", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    try {
      const file = await world.config({ listen: { port } });
      await refuses(file, new RegExp(`listen\\.port: port ${port} is in use`));
    } finally {
      server.close();
    }
  });

  it("says that the dataDir is a file, or below one (contract 21)", async () => {
    const file = await world.config({ dataDir: "config.json" });
    await refuses(file, /dataDir: .*config\.json cannot be used/);
    await refuses(await world.config({ dataDir: "config.json/state" }), /dataDir: .* cannot be used/);
  });

  it("says that the dataDir cannot be written (contract 21)", async function () {
    if (process.getuid?.() === 0) {
      this.skip();
    }
    const file = await world.config();
    const dataDir = join(dirname(file), "state");
    await mkdir(dataDir);
    await chmod(dataDir, 0o500);
    await refuses(file, /dataDir: .* cannot be used \(EACCES\)/);
  });

  it("says that the trust files cannot be written, before anything listens (contract 21)", async () => {
    const file = await world.config();
    const first = startProgram(["serve", "--config", file], { env: world.env() });
    const { ca } = await first.serving();
    first.kill("SIGTERM");
    await first.ended;
    await rm(ca);
    await mkdir(join(ca, "in the way"), { recursive: true });
    await refuses(file, /dataDir: .* cannot be used/);
  });

  it("makes no data folder when the configuration is refused (contract 21)", async () => {
    const file = await world.config({ mappings: [{ hostname: "*", reference }] });
    await refuses(file, /mappings\.0/);
    assert.deepEqual((await readdir(dirname(file))).sort(), ["config.json", "upstream-ca.pem"]);
  });

  it("keeps its state in the user's state folder when the config names none (contract 22)", async () => {
    const file = await world.config({ dataDir: undefined });
    for (const [env, folder] of [
      [{ XDG_STATE_HOME: join(world.folder, "xdg") }, join(world.folder, "xdg", "onecli-gateway")],
      // Empty and relative paths are to be ignored (XDG Base Directory Specification).
      [{ XDG_STATE_HOME: "" }, join(world.folder, ".local/state/onecli-gateway")],
      [{ XDG_STATE_HOME: "xdg" }, join(world.folder, ".local/state/onecli-gateway")],
    ] as const) {
      const program = startProgram(["serve", "--config", file], { env: world.env(env), cwd: world.folder });
      assert.equal(dirname((await program.serving()).bundle), folder);
      program.kill("SIGTERM");
      await program.ended;
    }
  });
});
