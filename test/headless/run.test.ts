import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { constants } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { type HeadlessWorld, mappings, secrets, startHeadlessWorld } from "../support/headlessWorld.ts";
import { TestAuthority } from "../support/certificates.ts";
import { LeadingProxy } from "../support/leadingProxy.ts";
import { TlsInspection } from "../support/tlsInspection.ts";
import { gatewayFile } from "../support/gatewayThread.ts";
import { SocksProxy } from "../support/socksProxy.ts";
import {
  isInstalled,
  killPrograms,
  type Outcome,
  type ProcessOptions,
  startProgram,
} from "../support/program.ts";

type Options = Partial<ProcessOptions> & { config?: string; own?: readonly string[] };

describe("onecli-gateway run", () => {
  let world: HeadlessWorld;
  let config: string;

  before(async () => {
    world = await startHeadlessWorld();
    config = await world.config();
  });

  after(() => world.stop());

  afterEach(async () => {
    await killPrograms();
    world.upstream.reset();
  });

  function start(command: readonly string[], { config: file = config, own = [], ...options }: Options = {}) {
    const args = ["run", "--config", file, ...own, "--", ...command];
    return startProgram(args, { env: world.tokenEnv(), ...options });
  }

  const run = (command: readonly string[], options?: Options): Promise<Outcome> =>
    start(command, options).ended;
  const shell = (script: string, options?: Options): Promise<Outcome> => run(["sh", "-c", script], options);

  it("prints nothing of its own when all is well (contract 20)", async () => {
    assert.deepEqual(await run(["true"]), { status: 0, signal: null, stdout: "", stderr: "" });
  });

  it("hands stdin, stdout and stderr through byte for byte (contract 20)", async () => {
    const data = Buffer.concat([
      Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
      randomBytes(1e6),
    ]);
    const program = start(["cat"], { stdin: data });
    assert.deepEqual(await program.ended.then(({ status, stderr }) => ({ status, stderr })), {
      status: 0,
      stderr: "",
    });
    assert.ok(program.stdoutBytes.equals(data));
    const { stdout, stderr } = await shell(String.raw`printf 'out\0\r\n' ; printf 'err\0\r\n' >&2`);
    assert.deepEqual([stdout, stderr], ["out\0\r\n", "err\0\r\n"]);
  });

  it("hands arguments through as they are, its own options behind -- as well (contract 20)", async () => {
    const args = ["--help", "--config", "", "a b", "'\"$HOME", "--", "\n"];
    const script = "console.log(JSON.stringify(process.argv.slice(1)))";
    const { stdout } = await run([process.execPath, "-e", script, "--", ...args]);
    assert.deepEqual(JSON.parse(stdout), args);
  });

  const exits: readonly (readonly [string, number])[] = [
    ["exit 0", 0],
    ["exit 3", 3],
    ["exit 255", 255],
    ["kill -TERM $$", 128 + constants.signals.SIGTERM],
    ["kill -KILL $$", 128 + constants.signals.SIGKILL],
    ["kill -HUP $$", 128 + constants.signals.SIGHUP],
    ["kill -USR1 $$", 128 + constants.signals.SIGUSR1],
  ];
  for (const [script, expected] of exits) {
    it(`exits ${expected} after "${script}" (contract 20)`, async () => {
      const { status, signal } = await shell(script);
      assert.deepEqual({ status, signal }, { status: expected, signal: null });
    });
  }

  it("exits 127 where the command is not found, 126 where it cannot be executed (contract 20)", async () => {
    const plain = join(world.folder, "plain");
    await writeFile(plain, "#!/bin/sh\n", { mode: 0o644 });
    for (const [command, expected, reason] of [
      [["no-such-command"], 127, /no-such-command: not found/],
      [["/no/such/command"], 127, /\/no\/such\/command: not found/],
      [[plain], 126, /plain: not executable \(EACCES\)/],
      [[world.folder], 126, /not executable \(EACCES\)/],
      [[`${plain}/below`], 126, /not executable \(ENOTDIR\)/],
    ] as const) {
      const { status, stdout, stderr } = await run(command);
      assert.equal(status, expected, stderr);
      assert.equal(stdout, "");
      assert.match(stderr, /^onecli-gateway: [^\n]+\n$/);
      assert.match(stderr, reason);
    }
  });

  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    it(`hands ${signal} to the command, which may outlive it (contract 20)`, async () => {
      // Not a shell's trap: a signal that comes between "ready" and its wait is heeded when the wait is over.
      const trap = `process.on("${signal}", () => { console.log("caught"); process.exitCode = 7; clearInterval(timer); });
        const timer = setInterval(() => 0, 1e6); console.log("ready");`;
      const program = start([process.execPath, "-e", trap]);
      await program.said("stdout", /ready/);
      program.kill(signal);
      const { status } = await program.exited;
      await program.said("stdout", /caught/);
      assert.equal(status, 7);
      const defenceless = start([process.execPath, "-e", "console.log('ready'); setInterval(() => 0, 1e6)"]);
      await defenceless.said("stdout", /ready/);
      defenceless.kill(signal);
      assert.equal((await defenceless.exited).status, 128 + constants.signals[signal]);
    });
  }

  it("leaves the command's streams blocking, after a signal too (contract 20)", async function () {
    if (!(await isInstalled("python3"))) {
      this.skip();
    }
    const script = `
import os, signal, sys
blocking = lambda: [os.get_blocking(fd) for fd in (0, 1, 2)]
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print(blocking(), "ready", flush=True)
signal.sigwait([signal.SIGINT])
print(sys.stdin.readline().strip(), blocking())`;
    const program = start(["python3", "-c", script], { stdinOpen: true });
    await program.said("stdout", /ready/);
    program.kill("SIGINT");
    program.child.stdin!.end("a line\n");
    assert.equal((await program.ended).stdout, "[True, True, True] ready\na line [True, True, True]\n");
  });

  it("ends with its command and leaves background processes alone, whatever they hold open (contract 36)", async () => {
    const program = start(["sh", "-c", "sleep 1000 & echo $!; exit 4"]);
    assert.equal((await program.exited).status, 4);
    const [text] = await program.said("stdout", /^\d+/);
    assert.ok(process.kill(Number(text), 0), "it is still there");
    assert.equal(program.child.stdout!.readableEnded, false, "and holds stdout");
  });

  it("ends although a background process waits for an answer (contract 36)", async () => {
    world.upstream.handler = () => undefined;
    const arrived = world.upstream.next();
    const program = start(["sh", "-c", "curl --silent https://api.openai.com/ & read line; exit 5"], {
      stdinOpen: true,
    });
    await arrived;
    program.child.stdin!.end("\n");
    assert.equal((await program.exited).status, 5);
  });

  it("keeps token and token descriptor from its command (contract 20, 39)", async () => {
    const script = "cat /dev/fd/3 || cat <&3; env; set";
    const env = world.env({ OP_SERVICE_ACCOUNT_TOKEN: "ops_another" });
    const outcome = await shell(script, { env, own: ["--token-fd", "3"], fd3: world.service.token });
    assert.doesNotMatch(outcome.stdout, /ops_/);
    assert.doesNotMatch(outcome.stdout, /OP_SERVICE_ACCOUNT_TOKEN/);
    const file = join(world.folder, "token");
    await writeFile(file, world.service.token);
    for (const options of [{}, { env: world.env(), own: ["--token-file", file] }]) {
      const { stdout } = await shell("env; curl --silent https://api.openai.com/", options);
      assert.match(stdout, /\{"ok":true\}$/);
      assert.doesNotMatch(stdout, /ops_|OP_SERVICE_ACCOUNT_TOKEN/);
    }
  });

  it("erases the token from the environment that it was started with itself (contract 20)", async function () {
    if (!existsSync("/proc/self/environ")) {
      this.skip();
    }
    const env = world.tokenEnv({ BEFORE: "untouched 1", OP_SERVICE_ACCOUNT_TOKEN_2: "untouched 2" });
    const { status, stdout } = await shell("cat /proc/$PPID/environ; exec curl -s https://api.openai.com/", {
      env,
    });
    assert.equal(status, 0);
    assert.match(stdout, /\{"ok":true\}$/);
    const entries = stdout.split("\0");
    assert.ok(
      entries.includes("BEFORE=untouched 1") && entries.includes("OP_SERVICE_ACCOUNT_TOKEN_2=untouched 2"),
    );
    assert.ok(entries.includes("OP_SERVICE_ACCOUNT_TOKEN="));
    assert.doesNotMatch(stdout, /ops_/);
  });

  async function environmentOf(env: NodeJS.ProcessEnv, file = config): Promise<Record<string, string>> {
    const dump = [process.execPath, "-e", "console.log(JSON.stringify(process.env))"];
    return JSON.parse((await run(dump, { env, config: file })).stdout) as Record<string, string>;
  }

  it("replaces the proxy and trust variables, keeps NO_PROXY and all others (contract 20, 37)", async () => {
    const elsewhere = "http://other.example:1";
    const found = await environmentOf(
      world.tokenEnv({
        HTTP_PROXY: elsewhere,
        http_proxy: elsewhere,
        https_proxy: world.parent.url,
        ALL_PROXY: "socks5://other.example:1",
        all_proxy: "socks5://other.example:1",
        NO_PROXY: "intranet.example, .local",
        SSL_CERT_DIR: "/etc/my-certs",
        MINE: "a\nb",
      }),
    );
    const proxy = found["HTTPS_PROXY"]!;
    assert.match(proxy, /^http:\/\/onecli:[^@]+@127\.0\.0\.1:\d+$/);
    for (const name of ["HTTP_PROXY", "http_proxy", "https_proxy", "npm_config_https_proxy"]) {
      assert.equal(found[name], proxy, name);
    }
    assert.equal(found["ONECLI_PROXY_SESSION"], new URL(proxy).host);
    assert.equal(found["NO_PROXY"], "intranet.example,.local,localhost,127.0.0.1,::1");
    assert.equal(found["no_proxy"], found["NO_PROXY"]);
    assert.ok(!("ALL_PROXY" in found) && !("all_proxy" in found));
    assert.match(found["SSL_CERT_FILE"]!, /\/state\/bundle-[0-9a-f]+\.pem$/);
    assert.match(found["NODE_EXTRA_CA_CERTS"]!, /\/state\/additions-[0-9a-f]+\.pem$/);
    assert.equal(found["MINE"], "a\nb");
    assert.equal(found["SSL_CERT_DIR"], "/etc/my-certs");
  });

  it("sets placeholders for mapped services only (contract 20)", async () => {
    const file = await world.config({
      mappings: [mappings[1], { ...mappings[0], enabled: false }],
    });
    const found = await environmentOf(world.tokenEnv({ ANTHROPIC_API_KEY: "mine" }), file);
    assert.match(found["OPENAI_API_KEY"]!, /^sk-.*placeholder/);
    assert.equal(found["ANTHROPIC_API_KEY"], "mine");
    assert.equal(found["GH_TOKEN"], undefined);
  });

  it("makes a surrounding proxy its parent, where the config names none (contract 23, 37)", async () => {
    const file = await world.config({ parentProxy: undefined });
    for (const name of ["HTTPS_PROXY", "https_proxy"]) {
      world.parent.asked.length = 0;
      const env = world.tokenEnv({ [name]: world.parent.url });
      const { stdout } = await run(["curl", "--silent", "https://api.openai.com/"], { config: file, env });
      assert.equal(stdout, '{"ok":true}');
      assert.deepEqual(world.parent.asked, ["api.openai.com:443"]);
    }
  });

  it("goes through a SOCKS proxy, with its login, 1Password included; and past it for noProxy (contracts 23, 41, 42)", async () => {
    const parent = await SocksProxy.start();
    try {
      parent.login = { username: "us er", password: "S3CR3T" };
      parent.routes.set("api.openai.com:443", world.upstream.port);
      const onePassword = new URL(world.service.address).host;
      const ask = async (changes: Record<string, unknown>, more: NodeJS.ProcessEnv = {}) => {
        parent.asked.length = 0;
        parent.askedLocally.length = 0;
        const file = await world.config(changes);
        const env = world.tokenEnv(more);
        const outcome = await run(["curl", "--silent", "https://api.openai.com/"], { config: file, env });
        assert.deepEqual([outcome.stdout, outcome.stderr], ['{"ok":true}', ""]);
        return [parent.asked, new Set(parent.askedLocally)];
      };
      const [socks5, socks5h] = ["socks5", "socks5h"].map((scheme) =>
        parent.url.replace("socks5://", `${scheme}://us%20er:S3CR3T@`),
      );
      const both = [["api.openai.com:443"], new Set([onePassword])];
      assert.deepEqual(await ask({ parentProxy: socks5 }), both);
      assert.deepEqual(await ask({ parentProxy: undefined }, { HTTPS_PROXY: socks5h }), both);
      const hostAlone = [["api.openai.com:443"], new Set()];
      for (const noProxy of ["localhost, 127.0.0.1", ["127.0.0.0/8"], [`other.example`, onePassword]]) {
        assert.deepEqual(await ask({ parentProxy: socks5, noProxy }), hostAlone);
      }
      assert.deepEqual(await ask({ parentProxy: socks5 }, { NO_PROXY: "127.0.0.1" }), hostAlone);
    } finally {
      await parent.close();
    }
  });

  it("goes through a proxy that inspects TLS, 1Password included, where its authority is trusted (contracts 29, 41)", async () => {
    const company = await TestAuthority.create("Inspection CA");
    const servicePort = Number(new URL(world.service.address).port);
    const onePassword = await TlsInspection.start(company, ["my.1password.com"], () =>
      connect(servicePort, "127.0.0.1"),
    );
    const vendor = await TlsInspection.start(company, ["api.openai.com"], () =>
      connectTls({
        port: world.upstream.port,
        host: "127.0.0.1",
        servername: "api.openai.com",
        ca: world.authority.certificate,
      }),
    );
    const parent = await LeadingProxy.start();
    try {
      parent.routes.set("my.1password.com:443", onePassword.port);
      parent.routes.set("api.openai.com:443", vendor.port);
      const file = join(await world.newFolder(), "inspection.pem");
      await writeFile(file, company.certificate);
      const token = world.service.account.tokenWith({ signInAddress: "https://my.1password.com" });
      const env = world.tokenEnv({ OP_SERVICE_ACCOUNT_TOKEN: token });
      const ask = async (extraCaCertificates: readonly string[]) => {
        const config = await world.config({ parentProxy: parent.url, extraCaCertificates });
        return (await run(["curl", "--silent", "https://api.openai.com/"], { config, env })).stdout;
      };
      assert.equal(await ask([file]), '{"ok":true}');
      assert.match(
        await ask([]),
        /1Password could not be reached\. The certificate of my\.1password\.com was refused.*extraCaCertificates/,
      );
      assert.equal(world.upstream.received.length, 1);
    } finally {
      await Promise.all([parent.close(), onePassword.close(), vendor.close()]);
    }
  });

  it("works inside itself, and does not take the outer gateway for its parent (contract 37)", async () => {
    const host = `127.0.0.1:${world.upstream.port}`;
    const nested = async (reference: string) =>
      await world.config({ parentProxy: undefined, mappings: [{ hostname: host, reference }] });
    const outer = await nested("op://API Keys/Git/token");
    const inner = await nested("op://API Keys/OpenAI/api-key");
    const file = join(world.folder, "token");
    await writeFile(file, world.service.token);
    const gateway = [process.execPath, gatewayFile, "run", "--config", inner];
    const curl = ["curl", "--silent", "--show-error", "--noproxy", "", `https://${host}/`];
    const outcome = await run([...gateway, "--token-file", file, "--", ...curl], { config: outer });
    assert.deepEqual(outcome, { status: 0, signal: null, stdout: '{"ok":true}', stderr: "" });
    // The outer one would have put its own secret in the place of the inner one's.
    assert.equal(world.upstream.received[0]?.headers.authorization, `Bearer ${secrets.openai}`);
  });
});
