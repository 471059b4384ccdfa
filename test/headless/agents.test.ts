import assert from "node:assert/strict";
import { type HeadlessWorld, secrets, startHeadlessWorld } from "../support/headlessWorld.ts";
import { isInstalled, killPrograms, runProgram } from "../support/program.ts";

interface Client {
  readonly name: string;
  readonly program: string;
  readonly command: readonly string[];
  readonly header: string;
  readonly value: string;
  readonly output: RegExp;
}

const ok = /\{"ok":true\}/;
const bearer = `Bearer ${secrets.openai}`;
const url = "https://api.openai.com/v1/models";

const nodeFetch = `
const headers = { authorization: "Bearer " + process.env.OPENAI_API_KEY };
console.log(await (await fetch("${url}", { headers })).text());`;

const nodeHttps = `
require("node:https").get("${url}", (answer) => answer.pipe(process.stdout));`;

const pythonUrllib = `
import os, urllib.request
headers = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
print(urllib.request.urlopen(urllib.request.Request("${url}", headers=headers)).read().decode())`;

// http.client reads no proxy variables; this is how libraries built on it do.
const pythonClient = `
import base64, http.client, os, urllib.parse
proxy = urllib.parse.urlsplit(os.environ["HTTPS_PROXY"])
credential = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
connection = http.client.HTTPSConnection(proxy.hostname, proxy.port)
connection.set_tunnel("api.openai.com", 443, {"Proxy-Authorization": "Basic " + credential})
connection.request("POST", "/v1/models", body="{}")
print(connection.getresponse().read().decode())`;

const clients: readonly Client[] = [
  {
    name: "curl",
    program: "curl",
    command: ["curl", "--silent", "--show-error", "--json", "{}", "https://api.anthropic.com/v1/messages"],
    header: "x-api-key",
    value: secrets.anthropic,
    output: ok,
  },
  {
    name: "curl with a key of its own",
    program: "curl",
    command: ["sh", "-c", `curl --silent --show-error --oauth2-bearer "$OPENAI_API_KEY" ${url}`],
    header: "authorization",
    value: bearer,
    output: ok,
  },
  {
    name: "fetch of Node",
    program: process.execPath,
    command: [process.execPath, "--input-type=module", "--eval", nodeFetch],
    header: "authorization",
    value: bearer,
    output: ok,
  },
  {
    name: "https of Node",
    program: process.execPath,
    command: [process.execPath, "--eval", nodeHttps],
    header: "authorization",
    value: bearer,
    output: ok,
  },
  {
    name: "urllib of Python",
    program: "python3",
    command: ["python3", "-c", pythonUrllib],
    header: "authorization",
    value: bearer,
    output: ok,
  },
  {
    name: "http.client of Python",
    program: "python3",
    command: ["python3", "-c", pythonClient],
    header: "authorization",
    value: bearer,
    output: ok,
  },
  {
    name: "git",
    program: "git",
    command: ["git", "ls-remote", "https://git.example.test/group/project.git"],
    header: "authorization",
    value: `Bearer ${secrets.git}`,
    output: /^(?:a1){20}\trefs\/heads\/main$/m,
  },
];

describe("onecli-gateway run: real clients", () => {
  let world: HeadlessWorld;

  before(async () => {
    world = await startHeadlessWorld();
  });

  after(() => world.stop());

  afterEach(async () => {
    await killPrograms();
    world.upstream.reset();
  });

  for (const { name, program, command, header, value, output } of clients) {
    it(`lets ${name} reach a mapped host with the secret that it never holds (contract 20)`, async function () {
      if (!(await isInstalled(program))) {
        this.skip();
      }
      world.upstream.handler = (request, response) => {
        request.resume();
        response.end(
          request.url?.includes("/info/refs") === true
            ? `${"a1".repeat(20)}\trefs/heads/main\n`
            : '{"ok":true}',
        );
      };
      const script = `env; exec "$@"`;
      const args = ["run", "--config", await world.config(), "--", "sh", "-c", script, "sh", ...command];
      const { status, stdout, stderr } = await runProgram(args, { env: world.tokenEnv() });
      assert.equal(status, 0, stderr);
      assert.equal(stderr, "");
      assert.match(stdout, output);
      assert.match(stdout, /^HTTPS_PROXY=/m, "its environment");
      assert.ok(world.upstream.received.length > 0);
      for (const { headers } of world.upstream.received) {
        assert.equal(headers[header], value);
        assert.equal(headers["proxy-authorization"], undefined);
      }
      for (const secret of [...Object.values(secrets), world.service.token]) {
        assert.ok(!stdout.includes(secret));
      }
    });
  }
});
