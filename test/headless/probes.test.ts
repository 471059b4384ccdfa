// What keeps a gateway running and watches it: probes and metrics on the API's port.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { get as httpGet } from "node:http";
import { type IncomingMessage } from "node:http";
import { get as httpsGet } from "node:https";
import { networkInterfaces } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { TestAuthority } from "../support/certificates.ts";
import { type HeadlessWorld, mappings, startHeadlessWorld } from "../support/headlessWorld.ts";
import { endpointOf, killPrograms, runProgram, startProgram } from "../support/program.ts";
import { connectTo, openTls, requestHead } from "../support/wire.ts";

const [, openai, git] = mappings;

describe("probes and metrics", () => {
  let world: HeadlessWorld;

  before(async () => {
    world = await startHeadlessWorld();
  });

  after(() => world.stop());

  afterEach(async () => {
    await killPrograms();
    world.upstream.reset();
  });

  async function serve(changes: Readonly<Record<string, unknown>> = {}, env = world.tokenEnv()) {
    const file = await world.config({ mappings: [openai], api: {}, ...changes });
    const program = startProgram(["serve", "--config", file], { env });
    const line = await program.serving();
    const { url, tokenFile } = line.api!;
    const token = (await readFile(tokenFile, "utf8")).trim();
    const ca = await readFile(line.ca, "utf8");
    return {
      file,
      program,
      line,
      token,
      probe: async (path: string) => {
        const answer = await fetch(url + path);
        return { status: answer.status, body: (await answer.json()) as { status?: string; reason?: string } };
      },
      metrics: async () => {
        const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } });
        assert.match(answer.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
        return answer.text();
      },
      change: async (more: Readonly<Record<string, unknown>>) => {
        const content = { ...(JSON.parse(await readFile(file, "utf8")) as object), ...more };
        await writeFile(file, JSON.stringify(content));
      },
      ask: async (host: string) => {
        const wire = await openTls(endpointOf(line), `${host}:443`, { ca });
        wire.send(requestHead("GET /v1/models?query=1", `Host: ${host}`, "Connection: close"));
        const { status } = await wire.answer();
        wire.socket.destroy();
        return status;
      },
    };
  }

  it("say that the process lives and that requests are welcome, to whoever asks", async () => {
    const { probe } = await serve();
    assert.deepEqual(await probe("/healthz"), { status: 200, body: { status: "ok" } });
    assert.deepEqual(await probe("/readyz"), { status: 200, body: { status: "ready" } });
    assert.deepEqual(world.service.requests, [], "1Password is asked nothing (contract 1)");
  });

  it("need no account where no mapping does", async () => {
    const without = await serve({}, world.env());
    const { status, body } = await without.probe("/readyz");
    assert.equal(status, 503);
    assert.match(body.reason ?? "", /no Service Account is connected/);
    assert.equal((await without.probe("/healthz")).status, 200);
    const applied = without.program.said("stderr", /applied mappings\n/);
    await without.change({ mappings: [{ ...openai, enabled: false }] });
    await applied;
    assert.equal((await without.probe("/readyz")).status, 200);
  });

  it("are not ready while 1Password refuses the token", async () => {
    const { probe, ask } = await serve();
    const restore = world.service.fault({ route: /auth/, status: 401 });
    try {
      assert.equal(await ask(openai.hostname), 424);
      const { status, body } = await probe("/readyz");
      assert.equal(status, 503);
      assert.match(body.reason ?? "", /refuses the token/);
    } finally {
      restore();
    }
  });

  it("stay ready with a broken configuration, of which the last good one is in use; the metrics say so", async () => {
    const { file, program, probe, metrics } = await serve();
    assert.match(await metrics(), /^onecli_configuration_good 1$/m);
    await writeFile(file, "{");
    await program.said("stderr", /the last good configuration stays in use\n/);
    assert.equal((await probe("/readyz")).status, 200);
    assert.match(await metrics(), /^onecli_configuration_good 0$/m);
  });

  it("are not ready from the signal on, while requests are still taken (contract 19)", async () => {
    const { program, probe, ask } = await serve({ stopDelay: 300 });
    program.kill("SIGTERM");
    await program.said("stderr", /stopping in 300 seconds/);
    assert.deepEqual(await probe("/readyz"), {
      status: 503,
      body: { status: "not ready", reason: "the gateway is stopping" },
    });
    assert.equal((await probe("/healthz")).status, 200);
    assert.equal(await ask(openai.hostname), 200);
    program.kill("SIGTERM");
    assert.equal((await program.exited).status, 128 + 15, "a second signal ends it at once");
  });

  it("count requests by mapping, status and error, and nothing of hosts that are not mapped", async () => {
    const { line, metrics, ask } = await serve({ mappings: [openai, mappings[3]] });
    assert.deepEqual([await ask(openai.hostname), await ask(openai.hostname)], [200, 200]);
    assert.equal(await ask(mappings[3].hostname), 424);
    const { wire } = await connectTo(endpointOf(line), "unmapped.example:443");
    const open = await metrics();
    assert.match(open, /^onecli_tunnels 1$/m);
    assert.match(open, /^onecli_connections [1-9]\d*$/m);
    wire.socket.destroy();
    for (const url of ["http://nowhere.example/", "http://elsewhere.example/"]) {
      const refused = await connectTo(endpointOf(line), `${new URL(url).host}:443`);
      assert.equal(refused.answer.status, 502);
      await refused.wire.closed();
      refused.wire.socket.destroy();
    }
    const found = await metrics();
    const labels = (mapping: string) => `kind="request",source="1password",mapping="${mapping}"`;
    for (const expected of [
      `onecli_requests_total{${labels("api.openai.com")},status="2xx",error=""} 2`,
      `onecli_requests_total{${labels("missing.example.test")},status="4xx",error="reference-not-found"} 1`,
      `onecli_requests_total{kind="tunnel",source="",mapping="",status="5xx",error="upstream-unreachable"} 2`,
      `onecli_request_duration_seconds_count{${labels("api.openai.com")}} 2`,
      `onecli_request_head_seconds_count{${labels("api.openai.com")}} 2`,
      `onecli_secret_lookups_total{mapping="api.openai.com",result="miss"} 1`,
      `onecli_secret_lookups_total{mapping="api.openai.com",result="hit"} 1`,
      `onecli_onepassword_questions_total{outcome="ok"} 1`,
      `onecli_onepassword_questions_total{outcome="reference-not-found"} 1`,
    ]) {
      assert.ok(found.split("\n").includes(expected), `${expected}\n${found}`);
    }
    assert.match(found, /^onecli_build_info\{version="[^"]+",node="[^"]+"\} 1$/m);
    assert.match(found, /^process_cpu_seconds_total \d/m);
    for (const hidden of [
      "unmapped.example",
      "nowhere.example",
      "elsewhere.example",
      "/v1",
      "query",
      "op://",
    ]) {
      assert.ok(!found.includes(hidden), hidden);
    }
  });

  it("forget the mappings that are gone", async () => {
    const { program, metrics, ask, change } = await serve({ mappings: [openai, git] });
    assert.deepEqual([await ask(openai.hostname), await ask(git.hostname)], [200, 200]);
    assert.match(await metrics(), /git\.example\.test/);
    const applied = program.said("stderr", /applied mappings\n/);
    await change({ mappings: [openai] });
    await applied;
    const found = await metrics();
    assert.doesNotMatch(found, /git\.example\.test/);
    assert.match(found, /mapping="api\.openai\.com"/);
  });

  it("give the metrics to nobody without the API's token", async () => {
    const { line } = await serve();
    for (const headers of [{}, { authorization: "Bearer x" }]) {
      assert.equal((await fetch(`${line.api!.url}/metrics`, { headers })).status, 401);
    }
  });

  it("are reached beyond loopback with the proxy's certificate, by the address alone", async function () {
    const address = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .find(({ internal, family }) => !internal && family === "IPv4")?.address;
    if (address === undefined) {
      this.skip();
    }
    const authority = await TestAuthority.create("Proxy CA");
    const { cert, key } = await authority.issue({ names: ["localhost", address] });
    const file = await world.config({});
    await writeFile(join(dirname(file), "tls.crt"), cert);
    await writeFile(join(dirname(file), "tls.key"), key);
    const agent = await runProgram(["agent", "ci-1"], { env: world.env() });
    const { entry } = JSON.parse(agent.stdout) as { entry: object };
    const content = {
      ...(JSON.parse(await readFile(file, "utf8")) as object),
      listen: { host: "0.0.0.0", tls: { certificate: "tls.crt", key: "tls.key" } },
      agents: [entry],
      api: { host: "0.0.0.0" },
    };
    await writeFile(file, JSON.stringify(content));
    const program = startProgram(["serve", "--config", file], { env: world.tokenEnv() });
    const { api } = await program.serving();
    const url = new URL(api!.url);
    assert.equal(url.protocol, "https:");
    const token = (await readFile(api!.tokenFile, "utf8")).trim();
    const ask = async (path: string, host?: string) => {
      const headers = { authorization: `Bearer ${token}`, ...(host !== undefined && { host }) };
      const answer = await new Promise<IncomingMessage>((resolve, reject) =>
        httpsGet(
          {
            host: address,
            port: url.port,
            path,
            ca: authority.certificate,
            headers,
            agent: false,
            servername: "localhost",
          },
          resolve,
        ).on("error", reject),
      );
      return { status: answer.statusCode, body: await text(answer) };
    };
    assert.equal((await ask("/readyz", "whatever.example")).status, 200);
    assert.match((await ask("/metrics")).body, /^onecli_build_info/m);
    assert.equal((await ask("/metrics", "rebound.example")).status, 403);
    await assert.rejects(
      new Promise((resolve, reject) =>
        httpGet({ host: address, port: url.port, path: "/readyz" }, resolve).on("error", reject),
      ),
    );
  });

  it("are refused beyond loopback where the proxy itself would be", async () => {
    const file = await world.config({ api: { host: "0.0.0.0" } });
    const { status, stderr } = await runProgram(["serve", "--config", file], { env: world.env() });
    assert.equal(status, 2);
    assert.match(stderr, /api\.host: 0\.0\.0\.0 is beyond loopback: set listen\.tls/);
  });
});
