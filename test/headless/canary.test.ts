import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { leaksIn, readTree } from "../support/canary.ts";
import { type HeadlessWorld, secrets, startHeadlessWorld } from "../support/headlessWorld.ts";
import {
  killPrograms,
  type Outcome,
  Program,
  type ProcessOptions,
  runProgram,
  startProgram,
} from "../support/program.ts";

const separator = "--- end of the environment ---";

describe("onecli-gateway: where no secret may be", () => {
  let world: HeadlessWorld;
  /** What was said, by whom. */
  const said = new Map<string, string>();
  /** Environments of agents, which hold the proxy's password. */
  const environments = new Map<string, string>();
  const passwords = new Map<string, string>();
  let config: string;
  let servingLine: string;

  before(async function () {
    this.timeout(60_000);
    world = await startHeadlessWorld();
    config = await world.config();
    const gateway = startProgram(["serve", "--config", config], { env: world.tokenEnv() });
    const line = await gateway.serving();
    servingLine = `${JSON.stringify(line)}\n`;
    passwords.set("password of serve", new URL(line.proxy).password);
    const curl = async (name: string, ...args: string[]): Promise<void> => {
      const common = ["--silent", "--show-error", "--include", "--proxy", line.proxy, "--cacert", line.ca];
      keep(name, await new Program("curl", [...common, ...args], { env: world.env() }).ended);
    };
    await curl("mapped", "https://api.anthropic.com/v1/messages?key=query", "--data", "body");
    await curl("mapped too", "https://api.openai.com/", "--oauth2-bearer", "placeholder");
    await curl("git", "https://git.example.test/");
    await curl("missing reference", "https://missing.example.test/");
    await curl("plain http", "http://api.openai.com/");
    await curl("misdirected", "https://api.openai.com/", "--header", "Host: evil.example");
    await curl("not allowed", "https://api.openai.com/", "--request", "TRACE");
    await curl("unreachable", "https://unreachable.example/");
    const plain = world.upstream.handler;
    world.upstream.handler = (request) => request.socket.destroy();
    await curl("upstream cuts", "https://api.openai.com/");
    world.upstream.handler = plain;
    gateway.kill("SIGTERM");
    const { stdout, stderr } = await gateway.ended;
    assert.equal(stdout, servingLine);
    said.set("serve, stderr", stderr);

    for (const [name, fault] of [
      ["1Password refuses", { status: 401 }],
      ["1Password is down", { drop: true }],
      ["1Password limits", { status: 429 }],
      ["1Password fails with a body", { status: 500, body: Object.values(secrets).join() }],
    ] as const) {
      const end = world.service.fault(fault);
      await agent(name, "curl --silent --include https://api.openai.com/");
      end();
    }
    await agent("run", "curl --silent --include https://api.openai.com/");
    await agent("run, token by descriptor", "curl --silent https://api.openai.com/", {
      env: world.env(),
      fd3: world.service.token,
    });
    const { token } = world.service;
    for (const [index, bad] of [token.slice(0, -9), `x${token}`, token.replace("ops_", "")].entries()) {
      const env = world.env({ OP_SERVICE_ACCOUNT_TOKEN: bad });
      keep(`bad token ${index}`, await runProgram(["serve", "--config", config], { env }));
    }
    keep(
      "token as a file",
      await runProgram(["serve", "--config", config, "--token-file", token], { env: {} }),
    );
    const killed = startProgram(["serve", "--config", config], { env: world.tokenEnv() });
    passwords.set("password of the killed one", new URL((await killed.serving()).proxy).password);
    killed.kill("SIGKILL");
    said.set("killed, stderr", (await killed.ended).stderr);
  });

  after(async () => {
    await killPrograms();
    await world.stop();
  });

  function keep(name: string, { stdout, stderr }: Outcome): void {
    said.set(`${name}, stdout`, stdout);
    said.set(`${name}, stderr`, stderr);
  }

  /** Runs a script through a gateway of its own; its environment, and on Linux what it sees of its parent, is kept. */
  async function agent(name: string, script: string, options: ProcessOptions = { env: world.tokenEnv() }) {
    const own = options.fd3 === undefined ? [] : ["--token-fd", "3"];
    // The environment and the arguments that the gateway was started with.
    const proc = existsSync("/proc/self/environ") ? "cat /proc/$PPID/environ /proc/$PPID/cmdline;" : "";
    const command = ["sh", "-c", `env; set; ${proc} echo; echo '${separator}'; ${script}`];
    const outcome = await runProgram(["run", "--config", config, ...own, "--", ...command], options);
    const [environment = "", output = ""] = outcome.stdout.split(`${separator}\n`).slice(-2);
    const [, password = assert.fail("no proxy")] =
      /^HTTPS_PROXY=http:\/\/[^:]+:([^@]+)@/m.exec(environment) ?? [];
    passwords.set(`password of ${name}`, password);
    environments.set(name, environment);
    keep(name, { ...outcome, stdout: output });
  }

  /** The token, what it is made of, and every value behind a reference. */
  function canaries(): Map<string, string | Buffer> {
    const { token } = world.service;
    const content = JSON.parse(Buffer.from(token.slice(4), "base64url").toString()) as {
      srpX: string;
      secretKey: string;
      muk: { k: string };
    };
    return new Map<string, string | Buffer>([
      ["token", token],
      ["token's SRP secret", content.srpX],
      ["token's Secret Key", content.secretKey],
      ["token's master key", Buffer.from(content.muk.k, "base64url")],
      ...Object.entries(secrets),
    ]);
  }

  async function authorityKey(): Promise<Map<string, Buffer>> {
    const pem = await readFile(join(dirname(config), "state", "authority", "key.pem"), "utf8");
    const key = createPrivateKey(pem);
    return new Map([
      ["CA key", key.export({ type: "pkcs8", format: "der" })],
      ["CA key's number", Buffer.from(key.export({ format: "jwk" }).d!, "base64url")],
    ]);
  }

  function assertNone(
    places: ReadonlyMap<string, string>,
    secret: ReadonlyMap<string, string | Buffer>,
  ): void {
    for (const [place, text] of places) {
      const latin1 = Buffer.from(text, "utf8").toString("latin1");
      assert.deepEqual([...leaksIn(text, secret), ...leaksIn(latin1, secret)], [], place);
    }
  }

  it("was a run in which the secrets arrived and every kind of failure was met", () => {
    const sent = JSON.stringify(world.upstream.received.map(({ headers }) => headers));
    assert.ok(Object.values(secrets).every((secret) => sent.includes(secret)));
    const all = [...said.values()].join("");
    for (const code of [
      "reference-not-found",
      "insecure-request",
      "misdirected",
      "method-not-allowed",
      "upstream-unreachable",
      "token-invalid",
      "onepassword-unreachable",
      "onepassword-rate-limited",
    ]) {
      assert.match(all, new RegExp(code));
    }
    assert.match(said.get("run, stdout")!, /\{"ok":true\}/);
    assert.match(said.get("run, token by descriptor, stdout")!, /\{"ok":true\}/);
    assert.equal(environments.size, 6);
  });

  it("searches for every form of a secret", () => {
    const secret = new Map([["canary", secrets.anthropic]]);
    const around = (text: string) => Buffer.from(`x${text}yz`);
    for (const text of [
      secrets.anthropic,
      secrets.anthropic.toUpperCase(),
      around(secrets.anthropic).toString("base64"),
      around(`-${secrets.anthropic}`).toString("base64url"),
      around(`--${secrets.anthropic}`).toString("base64").replace(/.{20}/g, "$&\n"),
      around(secrets.anthropic).toString("hex").toUpperCase(),
      encodeURIComponent(secrets.anthropic),
      around(secrets.anthropic).toString("hex").replace(/../g, "%$&"),
    ]) {
      assert.deepEqual(leaksIn(`before ${text} after`, secret), ["canary"], text);
    }
    assert.deepEqual(leaksIn(secrets.anthropic.slice(1), secret), []);
  });

  it("leaves neither token nor secret in what anybody said, agents and their environments included", () => {
    assertNone(new Map([["serving line", servingLine], ...said, ...environments]), canaries());
  });

  it("leaves neither token nor secret in any file of data, home and temporary folder", async () => {
    const files = await readTree(world.folder);
    assert.ok([...files.keys()].some((file) => file.endsWith("key.pem")));
    for (const [file, content] of files) {
      assert.deepEqual(leaksIn(content, canaries()), [], file);
    }
  });

  it("says the proxy's password in the JSON line and agents' environments only", async () => {
    assert.equal(passwords.size, environments.size + 2);
    assertNone(said, passwords);
    for (const [file, content] of await readTree(world.folder)) {
      assert.deepEqual(leaksIn(content, passwords), [], file);
    }
    for (const [name, environment] of environments) {
      assert.deepEqual(leaksIn(environment, passwords), [`password of ${name}`], "its own, no other");
    }
  });

  it("keeps the key of its CA in authority/key.pem only", async () => {
    const key = await authorityKey();
    assertNone(new Map([["serving line", servingLine], ...said, ...environments]), key);
    const holders: string[] = [];
    for (const [file, content] of await readTree(world.folder)) {
      if (leaksIn(content, key).length > 0) {
        holders.push(file);
      }
    }
    assert.deepEqual(holders, [join(dirname(config), "state", "authority", "key.pem")]);
  });
});
