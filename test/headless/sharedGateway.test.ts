// A gateway that others use: their passwords, a listener beyond loopback, TLS to the proxy itself.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { dirname, join } from "node:path";
import { connect as connectTls } from "node:tls";
import { once } from "node:events";
import { TestAuthority } from "../support/certificates.ts";
import { type HeadlessWorld, mappings, secrets, startHeadlessWorld } from "../support/headlessWorld.ts";
import {
  killPrograms,
  type Outcome,
  Program,
  runProgram,
  type ServingLine,
  startProgram,
} from "../support/program.ts";
import { openTlsSocket, requestHead } from "../support/wire.ts";

const openai = "https://api.openai.com/v1/models";

interface MadeAgent {
  readonly password: string;
  readonly entry: { readonly name: string; readonly passwordHash: string };
}

describe("a gateway that several agents share", () => {
  let world: HeadlessWorld;
  /** Of the certificate by which the proxy itself is known. */
  let proxyAuthority: TestAuthority;
  let ci: MadeAgent;

  before(async () => {
    world = await startHeadlessWorld();
    proxyAuthority = await TestAuthority.create("Proxy CA");
    ci = await makeAgent("ci-1");
  });

  after(() => world.stop());

  afterEach(async () => {
    await killPrograms();
    world.upstream.reset();
  });

  async function makeAgent(name: string): Promise<MadeAgent> {
    const { stdout, stderr, status } = await runProgram(["agent", name], { env: world.env() });
    assert.deepEqual({ stderr, status }, { stderr: "", status: 0 });
    return JSON.parse(stdout) as MadeAgent;
  }

  async function serve(changes: Readonly<Record<string, unknown>>) {
    const file = await world.config(changes);
    const { key, cert } = await proxyAuthority.issue({ names: ["localhost", "127.0.0.1"] });
    await writeFile(join(dirname(file), "tls.key"), key);
    await writeFile(join(dirname(file), "tls.crt"), cert);
    await writeFile(join(dirname(file), "proxy-ca.pem"), proxyAuthority.certificate);
    const program = startProgram(["serve", "--config", file], { env: world.tokenEnv() });
    const line = await program.serving();
    return { file, program, line, port: Number(new URL(line.proxy).port) };
  }

  const tls = { certificate: "tls.crt", key: "tls.key" };

  /** @param proxy URL; its certificate is checked against proxy-ca.pem */
  function curl(proxy: string, { ca }: ServingLine, file: string, ...args: string[]): Promise<Outcome> {
    const trust = ["--cacert", ca, "--proxy-cacert", join(dirname(file), "proxy-ca.pem")];
    const form = ["--silent", "--show-error", "--write-out", "\n%{http_code} %{http_connect}"];
    return new Program("curl", [...form, ...trust, "--proxy", proxy, ...args], { env: world.env() }).ended;
  }

  const login = ({ password, entry }: MadeAgent) => `${entry.name}:${password}`;

  it("is told of agents by an entry that says nothing of their password", async () => {
    const second = await makeAgent("ci-1");
    assert.notEqual(second.password, ci.password);
    assert.equal(Buffer.from(ci.password, "base64url").length, 32, "256 bits");
    const hash = createHash("sha256").update(ci.password).digest("hex");
    assert.deepEqual(ci.entry, { name: "ci-1", passwordHash: `sha256:${hash}` });
  });

  it("lets in agents and, on loopback, whoever has its own password; the log says who it was", async () => {
    const log = { format: "json" };
    const { program, line, port, file } = await serve({ agents: [ci.entry], log });
    const agents = `http://${login(ci)}@127.0.0.1:${port}`;
    assert.equal((await curl(agents, line, file, openai)).stdout, '{"ok":true}\n200 200');
    assert.equal((await curl(line.proxy, line, file, openai)).stdout, '{"ok":true}\n200 200');
    for (const name of ["ci-1", "onecli"]) {
      await program.said("stderr", new RegExp(`"agent":"${name}","method":"GET","host":"api.openai.com"`));
    }
    const other = await makeAgent("ci-2");
    for (const wrong of [
      `ci-1:${other.password}`,
      `ci-2:${ci.password}`,
      `ci-2:${other.password}`,
      `ci-1:${ci.password}x`,
      `ci-1:${ci.entry.passwordHash}`,
      `ci-1:${ci.entry.passwordHash.slice(7)}`,
      `onecli:${ci.password}`,
      "ci-1:",
      `:${ci.password}`,
    ]) {
      const { stdout } = await curl(`http://${wrong}@127.0.0.1:${port}`, line, file, openai);
      assert.equal(stdout, "\n000 407", wrong);
    }
    assert.ok(!program.stderr.includes(ci.password));
  });

  const beyond = { listen: { host: "0.0.0.0", port: 0, tls } };

  it("beyond loopback lets in agents alone, and its line has the URL without a password", async () => {
    const { line, port, file, program } = await serve({ ...beyond, agents: [ci.entry] });
    const url = new URL(line.proxy);
    assert.deepEqual([url.protocol, url.username, url.password], ["https:", "", ""]);
    const answer = await curl(`https://${login(ci)}@localhost:${port}`, line, file, openai);
    assert.deepEqual(answer, { status: 0, signal: null, stdout: '{"ok":true}\n200 200', stderr: "" });
    assert.equal(world.upstream.received.at(-1)?.headers.authorization, `Bearer ${secrets.openai}`);
    for (const proxy of [`https://localhost:${port}`, `https://onecli:x@localhost:${port}`]) {
      assert.equal((await curl(proxy, line, file, openai)).stdout, "\n000 407");
    }
    program.kill("SIGTERM");
    assert.equal((await program.ended).stdout, `${JSON.stringify(line)}\n`, "one line (contract 38)");
  });

  it("is reached by another address of the machine", async function () {
    const address = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .find(({ internal, family }) => !internal && family === "IPv4")?.address;
    if (address === undefined) {
      this.skip();
    }
    const { line, port, file } = await serve({
      listen: { host: "0.0.0.0", insecure: true },
      agents: [ci.entry],
    });
    assert.equal(new URL(line.proxy).protocol, "http:");
    const { stdout } = await curl(`http://${login(ci)}@${address}:${port}`, line, file, openai);
    assert.equal(stdout, '{"ok":true}\n200 200');
  });

  it("beyond loopback agrees on ML-KEM with clients that have it", async () => {
    const { line, port } = await serve({
      listen: { host: "0.0.0.0", insecure: true },
      agents: [ci.entry],
    });
    const endpoint = { port, username: ci.entry.name, password: ci.password };
    const socket = await openTlsSocket(endpoint, "api.openai.com:443", {
      ca: await readFile(line.ca, "utf8"),
      keyExchanges: "X25519MLKEM768",
    });
    socket.destroy();
  });

  it("serves curl and Node through TLS: mapped, tunnelled, plain and refused alike (contract 2)", async () => {
    const { line, port, file } = await serve({ ...beyond, agents: [ci.entry] });
    const proxy = `https://${login(ci)}@localhost:${port}`;
    const trustAll = { ...line, ca: line.bundle };
    assert.equal(
      (await curl(proxy, trustAll, file, "https://unmapped.example/")).stdout,
      '{"ok":true}\n200 200',
    );
    assert.match(
      (await curl(proxy, line, file, "http://api.openai.com/")).stdout,
      /insecure-request.*\n403/s,
    );
    assert.match(
      (await curl(proxy, line, file, "http://onecli.internal/")).stdout,
      /"product": "OneCLI".*\n200/s,
    );
    const http1 = await curl(proxy, line, file, "--http1.1", openai);
    assert.equal(http1.stdout, '{"ok":true}\n200 200');
    assert.match((await curl(proxy, line, file, "https://nowhere.example/")).stdout, /\n000 502/);

    const bundle = join(dirname(file), "node-ca.pem");
    await writeFile(bundle, (await readFile(line.ca, "utf8")) + proxyAuthority.certificate);
    const script = `fetch(${JSON.stringify(openai)}).then(async (answer) => console.log(answer.status, await answer.text()))`;
    const { stdout, stderr } = await new Program(process.execPath, ["-e", script], {
      env: world.env({ NODE_USE_ENV_PROXY: "1", HTTPS_PROXY: proxy, NODE_EXTRA_CA_CERTS: bundle }),
    }).ended;
    assert.equal(stdout, '200 {"ok":true}\n', stderr);
  });

  it("shows a renewed certificate to connections that come, and keeps those that are open", async () => {
    const { program, port, file } = await serve({ ...beyond, agents: [ci.entry] });
    const open = async () => {
      const socket = connectTls({
        port,
        host: "127.0.0.1",
        servername: "localhost",
        ca: proxyAuthority.certificate,
      });
      await once(socket, "secureConnect");
      return socket;
    };
    const before = await open();
    const renewed = await proxyAuthority.issue({ names: ["localhost"] });
    await writeFile(join(dirname(file), "tls.crt"), renewed.cert);
    await program.said(
      "stderr",
      /error .*listen\.tls\.key: tls\.key is no key .*last good configuration stays in use\n/,
    );
    await writeFile(join(dirname(file), "tls.key"), renewed.key);
    await program.said("stderr", /info .*: applied listen\.tls\n/);
    const after = await open();
    assert.notEqual(
      after.getPeerX509Certificate()?.fingerprint256,
      before.getPeerX509Certificate()?.fingerprint256,
    );
    before.write(requestHead("GET http://unmapped.example/"));
    const [answer] = (await once(before, "data")) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 407 /);
    before.destroy();
    after.destroy();
  });

  it("says that its proxy takes TLS when a client speaks plain http to it", async () => {
    const { program, line, port, file } = await serve({ ...beyond, agents: [ci.entry] });
    assert.notEqual((await curl(`http://${login(ci)}@localhost:${port}`, line, file, openai)).status, 0);
    await program.said(
      "stderr",
      /info .*spoke plain http to the proxy: the proxy's URL must begin with https:\/\//,
    );
  });

  it("stops at once for a client that has not finished its handshake (contract 19)", async () => {
    const { program, port } = await serve({ ...beyond, agents: [ci.entry] });
    const silent = connect(port, "127.0.0.1");
    silent.on("error", () => undefined);
    await once(silent, "connect");
    program.kill("SIGTERM");
    assert.equal((await program.ended).status, 0);
  });

  it("leads no shell by env to a gateway that agents share", async () => {
    const { line } = await serve({ ...beyond, agents: [ci.entry] });
    const { status, stdout, stderr } = await runProgram(["env"], {
      env: world.env(),
      stdin: JSON.stringify(line),
    });
    assert.deepEqual([status, stdout], [2, ""]);
    assert.match(stderr, /a gateway on 127\.0\.0\.1 without TLS/);
  });

  it("has the CA that its configuration names, as others beside it have", async () => {
    const folder = join(await world.newFolder(), "ca");
    const made = await runProgram(["authority", "--out", folder], { env: world.env() });
    const { authority } = JSON.parse(made.stdout) as { authority: { certificate: string; key: string } };
    assert.equal((await stat(authority.key)).mode & 0o777, 0o600);
    const certificate = await readFile(authority.certificate, "utf8");
    for (const round of ["first", "second"]) {
      const { line, file } = await serve({ authority, dataDir: `state-${round}` });
      assert.equal(await readFile(line.ca, "utf8"), certificate);
      assert.equal((await curl(line.proxy, line, file, openai)).stdout, '{"ok":true}\n200 200');
    }
    const again = await runProgram(["authority", "--out", folder], { env: world.env() });
    assert.deepEqual([again.status, again.stdout], [2, ""]);
    assert.match(again.stderr, /certificate\.pem is there already/);
    assert.equal(await readFile(authority.certificate, "utf8"), certificate);
  });

  it("logs in JSON: an object per line, one per request, without query, value or reference", async () => {
    const { program, line, file } = await serve({ log: { format: "json", level: "debug" } });
    await curl(line.proxy, line, file, `${openai}?token=QUERY-SECRET`);
    await curl(line.proxy, line, file, "https://missing.example.test/x");
    await curl(line.proxy, { ...line, ca: line.bundle }, file, "https://unmapped.example/");
    await program.said("stderr", /"kind":"tunnel".*\n/);
    program.kill("SIGTERM");
    const { stderr, stdout } = await program.ended;
    assert.equal(stdout, `${JSON.stringify(line)}\n`);
    const lines = stderr
      .trimEnd()
      .split("\n")
      .map((text) => JSON.parse(text) as Record<string, unknown>);
    for (const { time, level, message } of lines) {
      assert.ok(!Number.isNaN(Date.parse(String(time))));
      assert.match(String(level), /^(trace|debug|info|warn|error)$/);
      assert.equal(typeof message, "string");
    }
    const access = lines.filter(({ message }) => message === "access");
    assert.deepEqual(
      access.map(({ kind, agent, method, host, path, status, mapping, error }) => [
        kind,
        agent,
        method,
        host,
        path,
        status,
        mapping,
        error,
      ]),
      [
        ["request", "onecli", "GET", "api.openai.com", "/v1/models", 200, "api.openai.com", undefined],
        [
          "request",
          "onecli",
          "GET",
          "missing.example.test",
          "/x",
          424,
          "missing.example.test",
          "reference-not-found",
        ],
        ["tunnel", "onecli", "CONNECT", "unmapped.example", "", 200, undefined, undefined],
      ],
    );
    assert.ok(
      access.every(({ totalMs, headMs }) => typeof totalMs === "number" && typeof headMs === "number"),
    );
    for (const hidden of [
      "QUERY-SECRET",
      secrets.openai,
      "op://",
      mappings[3].reference.slice(5),
      world.service.token.slice(4, 30),
    ]) {
      assert.ok(!stderr.includes(hidden), hidden);
    }
  });
});
