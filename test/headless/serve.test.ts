import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { type HeadlessWorld, secrets, startHeadlessWorld } from "../support/headlessWorld.ts";
import {
  endpointOf,
  killPrograms,
  type Outcome,
  Program,
  type ProcessOptions,
  runProgram,
  type ServingLine,
  startProgram,
} from "../support/program.ts";
import { connectTo, openConnection } from "../support/wire.ts";

const mapped = "https://api.openai.com/v1/models";

describe("onecli-gateway serve", () => {
  let world: HeadlessWorld;

  before(async () => {
    world = await startHeadlessWorld();
  });

  after(() => world.stop());

  afterEach(async () => {
    await killPrograms();
    world.upstream.reset();
  });

  async function serve(
    options: Partial<ProcessOptions> = {},
    ...more: string[]
  ): Promise<{ program: Program; line: ServingLine }> {
    const file = await world.config();
    const program = startProgram(["serve", "--config", file, ...more], { env: world.tokenEnv(), ...options });
    return { program, line: await program.serving() };
  }

  function curl(line: ServingLine, ...args: string[]): Program {
    const common = ["--silent", "--show-error", "--proxy", line.proxy, "--cacert", line.ca];
    return new Program("curl", [...common, "--write-out", "\n%{http_code}", ...args], { env: world.env() });
  }

  async function reachesUpstream(line: ServingLine): Promise<void> {
    const { status, stdout, stderr } = await curl(line, mapped).ended;
    assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '{"ok":true}\n200', stderr: "" });
    assert.equal(world.upstream.received.at(-1)?.headers.authorization, `Bearer ${secrets.openai}`);
  }

  async function isRefused(line: ServingLine): Promise<void> {
    const socket = connect(endpointOf(line).port, "127.0.0.1");
    const error = await once(socket, "error").then(([reason]) => reason as NodeJS.ErrnoException);
    assert.equal(error.code, "ECONNREFUSED");
  }

  it("prints one JSON line with proxy, ca and bundle, and nothing else in its whole life (contract 38)", async () => {
    const { program, line } = await serve();
    assert.match(line.proxy, /^http:\/\/[^:/@]+:[^:/@]{32,}@127\.0\.0\.1:\d+$/);
    await reachesUpstream(line);
    const unmapped = ["--cacert", line.bundle, "https://unmapped.example/"];
    assert.equal((await curl(line, ...unmapped).ended).stdout, '{"ok":true}\n200');
    assert.match((await curl(line, "https://missing.example.test/").ended).stdout, /reference-not-found/);
    assert.equal((await curl(line, "https://nowhere.example/").ended).status, 56, "CONNECT refused");
    assert.match((await curl(line, "http://api.openai.com/").ended).stdout, /insecure-request/);
    const wrong = { ...line, proxy: line.proxy.replace(/:[^:@]+@/, ":wrong@") };
    assert.equal((await curl(wrong, mapped).ended).status, 56, "CONNECT refused");
    program.kill("SIGTERM");
    const { status, stdout } = await program.ended;
    assert.equal(status, 0);
    assert.equal(stdout, `${JSON.stringify(line)}\n`);
  });

  it("takes the token from the environment, a file descriptor or a file (contract 39)", async () => {
    const { token } = world.service;
    const file = join(await world.newFolder(), "token");
    await writeFile(file, `${token}\n`);
    const env = world.env();
    const ways: readonly (readonly [Partial<ProcessOptions>, ...string[]])[] = [
      [{ env: world.tokenEnv() }],
      [{ env, fd3: `${token}\n` }, "--token-fd", "3"],
      [{ env, stdin: token }, "--token-fd", "0"],
      [{ env }, "--token-file", file],
      // What is asked for by name wins.
      [{ env: world.env({ OP_SERVICE_ACCOUNT_TOKEN: "nonsense" }) }, "--token-file", file],
    ];
    for (const [options, ...args] of ways) {
      const { program, line } = await serve(options, ...args);
      await reachesUpstream(line);
      assert.ok(!program.stderr.includes(token.slice(4, 40)));
      await killPrograms();
    }
  });

  const badTokens: readonly (readonly [string, (token: string) => string])[] = [
    ["another kind of text", () => "correct-horse-battery-staple"],
    ["a truncated token", (token) => token.slice(0, -20)],
    ["a token of a person, not of a Service Account", () => "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"],
    [
      "a token for a foreign server",
      () => world.service.account.tokenWith({ signInAddress: "evil.example" }),
    ],
    ["two tokens", (token) => `${token}\n${token}`],
  ];
  for (const [what, make] of badTokens) {
    it(`refuses ${what} and shows none of it (contract 30, 39)`, async () => {
      const token = make(world.service.token);
      const config = ["serve", "--config", await world.config()];
      const file = join(await world.newFolder(), "token");
      await writeFile(file, token);
      world.service.clearRequests();
      const outcomes: Outcome[] = [
        await runProgram(config, { env: world.env({ OP_SERVICE_ACCOUNT_TOKEN: token }) }),
        await runProgram([...config, "--token-fd", "3"], { env: world.env(), fd3: token }),
        await runProgram([...config, "--token-file", file], { env: world.env() }),
        // Given where the name of its file belongs.
        await runProgram([...config, "--token-file", `ops_${token}`], { env: world.env() }),
      ];
      for (const { status, stdout, stderr } of outcomes) {
        assert.equal(status, 2);
        assert.equal(stdout, "");
        assert.match(stderr, /^onecli-gateway: [^\n]*\btoken\b[^\n]*\n$/i);
        for (let at = 0; at + 12 <= token.length; at++) {
          assert.ok(!stderr.includes(token.slice(at, at + 12)), `shows a part of the token: ${stderr}`);
        }
      }
      assert.deepEqual(world.service.requests, []);
    });
  }

  it("refuses a token source that is empty, not there, or no descriptor (contract 39)", async () => {
    const config = ["serve", "--config", await world.config()];
    const env = world.env();
    for (const outcome of [
      await runProgram([...config, "--token-fd", "3"], { env, fd3: "" }),
      await runProgram([...config, "--token-fd", "99"], { env }),
      await runProgram([...config, "--token-file", join(world.folder, "missing")], { env }),
      await runProgram([...config, "--token-file", world.folder], { env }),
    ]) {
      assert.equal(outcome.status, 2);
      assert.equal(outcome.stdout, "");
      assert.match(outcome.stderr, /^onecli-gateway: token[^\n]+\n$/);
    }
  });

  it("starts without a token, and a mapped host answers 424 not-connected (contract 1)", async () => {
    for (const env of [world.env(), world.env({ OP_SERVICE_ACCOUNT_TOKEN: " " })]) {
      const { line } = await serve({ env });
      const { stdout } = await curl(line, mapped).ended;
      assert.match(stdout, /"code":"not-connected"[^]*\n424$/);
    }
  });

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it(`ends with 0 and a closed listener on ${signal}, idle connections closed (contract 19)`, async () => {
      const { program, line } = await serve();
      const idle = await openConnection(endpointOf(line));
      const { wire: tunnel } = await connectTo(endpointOf(line), "unmapped.example:443");
      program.kill(signal);
      await Promise.all([idle.closed(), tunnel.closed()]);
      const { status, signal: endedBy } = await program.ended;
      assert.deepEqual({ status, endedBy }, { status: 0, endedBy: null });
      await isRefused(line);
    });
  }

  it("lets a request in flight finish after SIGTERM (contract 19)", async () => {
    const { program, line } = await serve();
    const idle = await openConnection(endpointOf(line));
    const release = new Promise<() => void>((resolve) => {
      world.upstream.handler = (_request, response) => resolve(() => response.end("late"));
    });
    const client = curl(line, mapped);
    const finish = await release;
    program.kill("SIGTERM");
    await idle.closed();
    await isRefused(line);
    finish();
    assert.equal((await client.ended).stdout, "late\n200");
    assert.equal((await program.ended).status, 0);
  });

  it("ends with 0 although a request in flight never finishes (contract 19)", async () => {
    const { program, line } = await serve();
    world.upstream.handler = () => undefined;
    const arrived = world.upstream.next();
    const client = curl(line, mapped);
    await arrived;
    program.kill("SIGTERM");
    assert.equal((await program.ended).status, 0);
    assert.notEqual((await client.ended).status, 0);
  });

  it("ends at once on a second signal, though a request is stuck (contract 19)", async () => {
    const { program, line } = await serve();
    const idle = await openConnection(endpointOf(line));
    world.upstream.handler = () => undefined;
    const arrived = world.upstream.next();
    curl(line, mapped);
    await arrived;
    program.kill("SIGTERM");
    await idle.closed();
    program.kill("SIGINT");
    // 0 is what it would be after the five seconds.
    assert.equal((await program.ended).status, 130);
  });

  it("can be stopped while 1Password does not answer (contract 19)", async () => {
    const { program, line } = await serve();
    world.service.fault({ hang: true });
    try {
      const asked = world.service.nextRequest(/./);
      curl(line, mapped);
      await asked;
      program.kill("SIGTERM");
      assert.equal((await program.ended).status, 0);
    } finally {
      world.service.clearFaults();
    }
  });

  it("serves although nobody reads what it says (contract 38)", async () => {
    const file = await world.config();
    const program = startProgram(["serve", "--config", file], { env: world.tokenEnv() });
    // Closed before it writes its first line there, the account.
    program.child.stderr!.destroy();
    const line = await program.serving();
    program.child.stdout!.destroy();
    await reachesUpstream(line);
    program.kill("SIGTERM");
    assert.equal((await program.exited).status, 0);
  });

  it("opens no debugger to other processes on SIGUSR1", async () => {
    const { program, line } = await serve();
    program.kill("SIGUSR1");
    await reachesUpstream(line);
    program.kill("SIGTERM");
    const { status, stderr } = await program.ended;
    assert.equal(status, 0);
    assert.doesNotMatch(stderr, /debugger/i);
  });
});
