import assert from "node:assert/strict";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { watch } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo } from "node:net";
import { delimiter, join } from "node:path";
import { checkClock } from "../../src/doctor/environment.ts";
import { GatewayClient } from "../../src/doctor/gatewayClient.ts";
import { type Cell, type Report, reportSchema } from "../../src/shared/doctorReport.ts";
import { findProgram } from "../../src/doctor/subprocess.ts";
import { type CallingTool, tools } from "../../src/doctor/tools.ts";
import { proxyUrl } from "../../src/core/terminalEnvironment.ts";
import { machineRoots } from "../../src/gateway/trustBundle.ts";
import { agents } from "../agents/agents.ts";
import { pathWith } from "../agents/install.ts";
import { runtimes } from "../agents/runtimes.ts";
import { CompatibilityRecord, toolSection } from "../support/compatibility.ts";
import { type DoctorWorld, startDoctorWorld, toolHomes } from "../support/doctorWorld.ts";
import { freePort } from "../support/freePort.ts";
import { type HeadlessWorld, startHeadlessWorld } from "../support/headlessWorld.ts";
import { killPrograms, Program, runProgram, startProgram } from "../support/program.ts";

const toolOf = (report: Report, name: string) => report.tools.find((tool) => tool.name === name)!;
const rowOf = (report: Report, name: string) => report.environment.find((row) => row.name === name)?.cell;
const callingTools = tools.filter((tool) => tool.kind === "calling");

const compatibility = new CompatibilityRecord("tools", toolSection);
const columns = [
  ["proxy", "proxy"],
  ["ca", "CA"],
  ["header", "header"],
  ["sse", "SSE"],
  ["webSocket", "WebSocket"],
  ["h2", "h2"],
] as const;

type Title = (typeof columns)[number][1];

/** Why a tool cannot do what a column is about at all. */
function inability({ stream, webSocket, h2 }: CallingTool, title: Title): string | undefined {
  const way = title === "SSE" ? stream : title === "WebSocket" ? webSocket : title === "h2" ? h2 : undefined;
  return typeof way === "string" ? way : undefined;
}

function reasonOf(cell: Cell): string {
  return cell.state === "none" ? cell.reason : assert.fail(JSON.stringify(cell));
}

/** What tools that can do it in general say where they cannot do it here. */
const builtWithout =
  /^this curl was built without|^Node has one from version 22|^the package h2 is not installed/;

describe("onecli-gateway doctor: the tools of this machine", function () {
  this.timeout(300_000);
  let world: HeadlessWorld;
  let report: Report;
  let printed: string;

  before(async () => {
    world = await startHeadlessWorld();
    const { stdout, stderr, status } = await runProgram(["doctor", "--json"], {
      // The agents and runtimes too, where npm run test:agents has installed them.
      env: world.tokenEnv({ ...toolHomes(), PATH: pathWith([...runtimes, ...agents]) }),
    });
    assert.equal(stderr, "");
    printed = stdout;
    report = reportSchema.parse(JSON.parse(stdout));
    assert.equal(status, report.ok ? 0 : 1);
  });
  after(async () => {
    await killPrograms();
    await world.stop();
    await compatibility.write();
  });

  it("finds nothing wrong with the terminal", () => {
    assert.deepEqual(
      report.environment.map(({ cell }) => cell),
      report.environment.map(() => ({ state: "ok" })),
    );
  });

  for (const tool of callingTools) {
    it(`proves of ${tool.name} that what it can do arrives (contract 24)`, function () {
      const { program, version, cells } = toolOf(report, tool.name);
      compatibility.trying(tool.name, version ?? "", []);
      if (program === null || cells.proxy.state === "none") {
        const reason = cells.proxy.state === "none" ? cells.proxy.reason : "";
        compatibility.explain(tool.name, Object.fromEntries(columns.map(([, title]) => [title, reason])));
        this.test!.title += `: ${reason}`;
        this.skip();
      }
      for (const [column, title] of columns) {
        const cell = cells[column];
        if (cell.state === "none") {
          compatibility.proved(tool.name, { [title]: "–" });
          compatibility.explain(tool.name, { [title]: cell.reason });
        } else {
          compatibility.trying(tool.name, version ?? "", [title]);
        }
      }
      const prove = (column: (typeof columns)[number][0], title: Title) => {
        const cell = cells[column];
        assert.equal(cell.state, "ok", `${title}: ${JSON.stringify(cell)}`);
        const { as = "yes" } = cell;
        compatibility.proved(tool.name, { [title]: as });
        if (as !== "yes") {
          compatibility.explain(tool.name, { [title]: tool.note ?? "" });
        }
      };
      prove("proxy", "proxy");
      if (tool.name === "wget" && cells.ca.state === "failed") {
        // One that is built with GnuTLS takes no file from a variable: the doctor has to say so.
        assert.match(cells.ca.fix, /--ca-certificate="\$SSL_CERT_FILE"/);
        compatibility.explain("wget", { CA: cells.ca.fix });
        return;
      }
      for (const [column, title] of columns.slice(1)) {
        const cell = cells[column];
        const reason = inability(tool, title);
        if (reason !== undefined) {
          assert.deepEqual(cell, { state: "none", reason });
        } else if (cell.state !== "none" || !builtWithout.test(cell.reason)) {
          prove(column, title);
        }
      }
    });
  }

  it("proves HTTP/2 of httpx where a Python has the package for it (contract 24)", async function () {
    let folder: string | undefined;
    for (const candidate of (process.env["PATH"] ?? "").split(delimiter)) {
      const python = new Program(join(candidate, "python3"), ["-c", "import httpx, h2"], {
        env: process.env,
      });
      folder ??= (await python.ended.catch(() => undefined))?.status === 0 ? candidate : undefined;
    }
    if (folder === undefined) {
      this.test!.title += ": none has";
      this.skip();
    }
    const env = world.env({ PATH: `${folder}${delimiter}${process.env["PATH"] ?? ""}` });
    const { stdout } = await runProgram(["doctor", "--json", "python-httpx"], { env });
    const { cells, version } = toolOf(reportSchema.parse(JSON.parse(stdout)), "python-httpx");
    assert.deepEqual(
      columns.map(([column]) => cells[column].state),
      ["ok", "ok", "ok", "ok", "none", "ok"],
      JSON.stringify(cells),
    );
    const name = "python-httpx, h2";
    compatibility.trying(name, version ?? "", []);
    compatibility.proved(name, ["proxy", "CA", "header", "SSE", "h2"]);
    compatibility.proved(name, { WebSocket: "–" });
    compatibility.explain(name, { WebSocket: reasonOf(cells.webSocket) });
  });

  it("needs no account, asks 1Password for nothing, and shows neither token, password nor canary", () => {
    assert.equal(world.service.requests.length, 0);
    assert.ok(!printed.includes(world.service.token));
    assert.doesNotMatch(printed, /onecli-doctor-[\w-]{20}|onecli:[\w-]{20}/);
  });

  it("leaves nothing behind in the home folder but what tools keep for themselves", async () => {
    const left = (await readdir(world.folder)).filter((name) => name.startsWith("onecli-doctor"));
    assert.deepEqual(left, []);
  });
});

describe("onecli-gateway doctor: the program", function () {
  this.timeout(60_000);
  let world: HeadlessWorld;
  before(async () => {
    world = await startHeadlessWorld();
  });
  after(async () => {
    await killPrograms();
    await world.stop();
  });

  it("prints a table and exits with 0 when all is well", async () => {
    const { status, stdout, stderr } = await runProgram(["doctor", "python-urllib"], { env: world.env() });
    assert.deepEqual([status, stderr], [0, ""], stdout);
    assert.match(stdout, /^python-urllib +3\.\d+\.\d+ +ok +ok +ok +ok +– +–$/m);
    assert.match(stdout, /^All is well\.\n/m);
    // eslint-disable-next-line no-control-regex -- escape sequences are what is looked for.
    assert.doesNotMatch(stdout, /\u001b/);
  });

  it("takes the mappings of a configuration, and its gateway's port from nobody", async () => {
    const serving = startProgram(["serve", "--config", await world.config()], { env: world.env() });
    const { proxy } = await serving.serving();
    const file = await world.config({ listen: { port: Number(new URL(proxy).port) } });
    const env = world.env({ NO_PROXY: "openai.com" });
    const { status, stdout } = await runProgram(["doctor", "--config", file, "--json", "curl"], { env });
    assert.equal(status, 1);
    const cell = rowOf(reportSchema.parse(JSON.parse(stdout)), "NO_PROXY");
    assert.ok(cell?.state === "failed" && cell.cause.includes("api.openai.com"), JSON.stringify(cell));
  });

  it("examines the terminal that it is in, by the gateway that is around", async () => {
    const config = await world.config();
    const inner = [
      process.execPath,
      join(import.meta.dirname, "../../dist/gateway.js"),
      "doctor",
      "--json",
      "curl",
    ];
    const { status, stdout, stderr } = await runProgram(["run", "--config", config, "--", ...inner], {
      env: world.tokenEnv(),
    });
    const report = reportSchema.parse(JSON.parse(stdout));
    assert.equal(status, report.ok ? 0 : 1, stderr);
    assert.equal(toolOf(report, "curl").cells.header.state, "ok");
    assert.equal(world.service.requests.length, 0);
  });

  it("is red where the clock is wrong, for which no tool trusts the certificate", async function () {
    if ((await findProgram("faketime", process.env)) === undefined) {
      this.test!.title += ": faketime is not installed";
      this.skip();
    }
    const doctor = [
      process.execPath,
      join(import.meta.dirname, "../../dist/gateway.js"),
      "doctor",
      "--json",
      "curl",
    ];
    const command = ["faketime", "2 years ago", ...doctor];
    const { status, stdout } = await runProgram(["run", "--config", await world.config(), "--", ...command], {
      env: world.tokenEnv(),
    });
    assert.equal(status, 1);
    const report = reportSchema.parse(JSON.parse(stdout));
    const clock = rowOf(report, "clock");
    assert.match(
      clock?.state === "failed" ? clock.cause : "",
      /by this machine's clock; the gateway's certificate is good from/,
    );
    const { ca } = toolOf(report, "curl").cells;
    assert.match(ca.state === "failed" ? ca.cause : "", /certificate is not yet valid/);
  });

  it("is red where a tool that was asked for is not on the PATH", async () => {
    const { status, stdout } = await runProgram(["doctor", "--json", "opencode"], {
      env: world.env({ PATH: await world.newFolder() }),
    });
    assert.equal(status, 1);
    const { proxy } = toolOf(reportSchema.parse(JSON.parse(stdout)), "opencode").cells;
    assert.deepEqual(proxy, {
      state: "failed",
      cause: "opencode is not on the PATH",
      fix: "Install opencode, or put the folder that it is in on the PATH.",
    });
  });

  it("stops at once when it is told to, with every probe, and removes its files", async () => {
    const bin = await world.newFolder();
    const pidFile = join(bin, "pid");
    const script = `#!/bin/sh\n[ "$1" = --version ] && echo 1.0 && exit\necho $$ > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; echo hanging >&2; exec sleep 1000\n`;
    await writeFile(join(bin, "curl"), script, { mode: 0o755 });
    const env = world.env({ PATH: `${bin}:${process.env["PATH"] ?? ""}` });
    const watcher = watch(bin);
    const isThere = new Promise<void>((resolve) => {
      watcher.on("change", (_kind, name) => (name === "pid" ? resolve() : undefined));
    });
    const program = startProgram(["doctor", "curl"], { env });
    await isThere;
    watcher.close();
    const pid = Number(await readFile(pidFile, "utf8"));
    program.kill("SIGINT");
    const { status, stdout } = await program.ended;
    assert.deepEqual([status, stdout], [130, ""]);
    assert.equal(await isAlive(pid), false);
    assert.deepEqual(
      (await readdir(world.folder)).filter((name) => name.startsWith("onecli-doctor")),
      [],
    );
  });
});

/** A process that has ended and that nobody has asked for counts as gone. */
async function isAlive(pid: number): Promise<boolean> {
  const { stdout } = await new Program("ps", ["-o", "stat=", "-p", String(pid)], { env: process.env }).ended;
  return /^[^Z\s]/.test(stdout);
}

describe("the doctor in a terminal that is broken", function () {
  this.timeout(60_000);
  let world: DoctorWorld;
  let other: Server;
  let otherUrl: string;
  before(async () => {
    world = await startDoctorWorld();
    other = createServer((_request, response) => response.writeHead(502).end());
    other.on("connect", (_request, socket) =>
      socket.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),
    );
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    otherUrl = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  });
  after(async () => {
    await compatibility.write();
    await world.stop();
    other.close();
  });

  const failure = (cell: Report["environment"][number]["cell"] | undefined) =>
    cell?.state === "failed" ? cell : assert.fail(JSON.stringify(cell));

  it("names the startup file that overrides HTTPS_PROXY, and the tools that follow it", async () => {
    await world.file(".bashrc", `alias ls='ls -l'\nexport HTTPS_PROXY=${otherUrl}\n`);
    const report = await world.examine(["curl"], { HTTPS_PROXY: otherUrl, https_proxy: otherUrl });
    await rm(join(world.folder, ".bashrc"));
    assert.equal(report.ok, false);
    const { cause, fix } = failure(rowOf(report, "HTTPS_PROXY"));
    assert.ok(cause.includes(new URL(otherUrl).host), cause);
    assert.match(fix, /^~\/\.bashrc, line 2 sets it/);
    assert.equal(rowOf(report, "gateway")?.state, "ok", "other variables still lead to it");
    assert.match(failure(toolOf(report, "curl").cells.proxy).cause, /did not come to the gateway.*502/);
    assert.equal(toolOf(report, "curl").cells.ca.state, "none");
  });

  it("names the CA bundle that is gone", async () => {
    const gone = await world.file("gone.pem", "");
    await rm(gone);
    const report = await world.examine(["curl"], { CURL_CA_BUNDLE: gone, SSL_CERT_FILE: gone });
    const { cause, fix } = failure(rowOf(report, "SSL_CERT_FILE"));
    assert.equal(cause, `SSL_CERT_FILE, CURL_CA_BUNDLE names ${gone}, which does not exist.`);
    assert.match(fix, /Restart the gateway/);
    const { proxy, ca } = toolOf(report, "curl").cells;
    assert.equal(proxy.state, "ok");
    assert.match(failure(ca).fix, /CURL_CA_BUNDLE/);
  });

  it("tells a bundle without the gateway's CA, which curl does not trust either", async () => {
    const [someRoot = ""] = machineRoots();
    const own = await world.file("own.pem", someRoot);
    const report = await world.examine(["curl"], { CURL_CA_BUNDLE: own });
    assert.match(failure(rowOf(report, "CURL_CA_BUNDLE")).cause, /does not hold the gateway's CA/);
    assert.match(failure(toolOf(report, "curl").cells.ca).cause, /did not trust its certificate/);
  });

  it("tells a wrong password from a gateway that is not there", async () => {
    const { endpoint } = world.gateway;
    const wrong = proxyUrl({ ...endpoint, password: "x".repeat(43) });
    const all = Object.fromEntries(
      Object.entries(world.environment).flatMap(([name, value]) =>
        value === proxyUrl(endpoint) ? [[name, wrong]] : [],
      ),
    );
    const refused = await world.examine(["curl"], all);
    assert.match(failure(rowOf(refused, "gateway")).cause, /user name or password.*407/);
    assert.deepEqual(
      refused.tools.map(({ cells }) => cells.proxy.state),
      ["none"],
      "no tool can be tried",
    );

    const deadPort = await freePort();
    const dead = proxyUrl({ ...endpoint, port: deadPort });
    const toDead = Object.fromEntries(Object.keys(all).map((name) => [name, dead]));
    const gone = await world.examine(["curl"], { ...toDead, ONECLI_PROXY_SESSION: `127.0.0.1:${deadPort}` });
    assert.match(failure(rowOf(gone, "gateway")).cause, /Nobody answers.*ECONNREFUSED/);
    const lost = await world.examine(
      ["curl"],
      Object.fromEntries(Object.keys(all).map((name) => [name, otherUrl])),
    );
    assert.match(failure(rowOf(lost, "gateway")).cause, /No variable leads to the gateway/);
  });

  it("finds the one variable whose password is wrong", async () => {
    const wrong = proxyUrl({ ...world.gateway.endpoint, password: "x".repeat(43) });
    const report = await world.examine(["curl"], { https_proxy: wrong, HTTPS_PROXY: wrong });
    assert.equal(rowOf(report, "gateway")?.state, "ok");
    assert.equal(rowOf(report, "https_proxy")?.state, "failed");
    const { cause } = failure(toolOf(report, "curl").cells.proxy);
    assert.match(cause, /407/);
    assert.ok(!JSON.stringify(report).includes("x".repeat(43)));
  });

  it("tells that NO_PROXY=* leads every tool around the gateway", async () => {
    const report = await world.examine(["curl"], { NO_PROXY: "*", no_proxy: "*" });
    assert.match(failure(rowOf(report, "NO_PROXY")).fix, /Take "\*" out of NO_PROXY/);
    assert.equal(toolOf(report, "curl").cells.proxy.state, "failed");
  });

  it("tells which mapped host NO_PROXY covers; one that is disabled is none", async () => {
    const report = await world.examine(["curl"], {
      NO_PROXY: ".openai.com,off.example.com",
      no_proxy: "localhost",
    });
    const { cause } = failure(rowOf(report, "NO_PROXY"));
    assert.match(cause, /"\.openai\.com".*api\.openai\.com/);
    assert.equal(report.environment.filter(({ cell }) => cell.state === "failed").length, 1);
  });

  it("looks past a NO_PROXY that covers only the doctor's own hosts", async () => {
    const report = await world.examine(["curl"], { NO_PROXY: ".internal", no_proxy: ".internal" });
    assert.equal(toolOf(report, "curl").cells.header.state, "ok");
    assert.equal(rowOf(report, "NO_PROXY")?.state, "ok");
    assert.ok(report.notes.some((note) => note.includes('".internal"')));
  });

  it("is right about wget: with the file of authorities in ~/.wgetrc its requests arrive", async function () {
    const { program, cells, version } = toolOf(await world.examine(["wget"]), "wget");
    if (program === null || cells.ca.state === "ok") {
      this.skip();
    }
    const { fix } = failure(cells.ca);
    await world.file(".wgetrc", `ca_certificate = ${world.files.bundle}\n`);
    const fixed = toolOf(await world.examine(["wget"]), "wget").cells;
    await rm(join(world.folder, ".wgetrc"));
    assert.deepEqual(
      columns.map(([column]) => fixed[column].state),
      ["ok", "ok", "ok", "ok", "none", "none"],
    );
    compatibility.trying("wget", version ?? "", []);
    compatibility.proved("wget", { CA: "by ~/.wgetrc", header: "yes", SSE: "yes" });
    const { webSocket, h2 } = fixed;
    compatibility.explain("wget", { CA: fix, WebSocket: reasonOf(webSocket), h2: reasonOf(h2) });
  });

  it("is red for what leads around the gateway, and for what Node would not read", async () => {
    const report = await world.examine(["curl"], { ALL_PROXY: otherUrl, NODE_USE_ENV_PROXY: undefined });
    assert.match(failure(rowOf(report, "ALL_PROXY")).cause, /go around the gateway/);
    assert.match(failure(rowOf(report, "NODE_USE_ENV_PROXY")).cause, /fetch and http of Node/);
  });

  it("names a proxy of the tool's own", async () => {
    await world.file(".curlrc", `proxy = ${otherUrl}\n`);
    const report = await world.examine(["curl"]);
    await rm(join(world.folder, ".curlrc"));
    assert.match(failure(toolOf(report, "curl").cells.proxy).fix, /~\/\.curlrc/);
    assert.equal(rowOf(report, "proxy variables")?.state, "ok");
  });

  const times = { version: 1_000, check: 1_000, slowCheck: 1_000 };
  const withFirst = (bin: string) => ({ PATH: `${bin}:${process.env["PATH"] ?? ""}` });

  it("ends a tool that hangs, with all that it has started, and goes on", async () => {
    const pidFile = join(world.folder, "grandchild");
    const script = `[ "$1" = --version ] && echo curl 9.9.9 && exit\nsleep 1000 &\necho $! > ${pidFile}\nwait`;
    const bin = await world.program("curl", script);
    const report = await world.examine(["curl", "python-urllib"], withFirst(bin), {
      times: { ...times, version: 20_000 },
    });
    assert.match(failure(toolOf(report, "curl").cells.proxy).cause, /did not end in time and was stopped/);
    assert.equal(toolOf(report, "curl").version, "9.9.9");
    const grandchild = Number(await readFile(pidFile, "utf8"));
    assert.equal(await isAlive(grandchild), false);
  });

  it("ends one whose --version hangs", async () => {
    const bin = await world.program("git", "sleep 1000");
    const report = await world.examine(["git"], withFirst(bin), { times });
    assert.match(failure(toolOf(report, "git").cells.proxy).cause, /--version did not end within 1 seconds/);
  });

  it("shows what a tool says that does not run", async () => {
    const bin = await world.program("gh", 'echo "gh: cannot open shared object file" >&2; exit 127');
    const report = await world.examine(["gh"], withFirst(bin));
    assert.match(failure(toolOf(report, "gh").cells.proxy).cause, /cannot open shared object file/);
  });

  it("tells events that come all at once from a stream", async () => {
    const curl = (await findProgram("curl", process.env)) ?? assert.fail("curl is not on the PATH");
    // A shell's $(…) gives out what it has when all of it has come.
    const bin = await world.program("curl", `all=$(${curl} "$@")\nprintf '%s\\n' "$all"`);
    const report = await world.examine(["curl"], withFirst(bin), {
      times: { ...times, version: 20_000, check: 5_000 },
    });
    const { header, sse } = toolOf(report, "curl").cells;
    assert.equal(header.state, "ok");
    assert.match(failure(sse).cause, /No event came/);
  });

  it("says of an agent that its variables are set, or what of its own overrules them", async () => {
    const bin = await world.program("claude", "echo '2.1.0 (Claude Code)'");
    const right = await world.examine(["claude"], withFirst(bin));
    const { version, cells } = toolOf(right, "claude");
    assert.equal(version, "2.1.0");
    assert.deepEqual([cells.proxy, cells.ca], Array(2).fill({ state: "ok", as: "set" }));
    assert.equal(cells.header.state, "none");
    assert.ok(right.notes.some((note) => note.startsWith("set: ")));

    await world.file(".claude/settings.json", '{"env":{"HTTPS_PROXY":"http://corp.example:3128"}}');
    const wrong = await world.examine(["claude"], withFirst(bin));
    await rm(join(world.folder, ".claude"), { recursive: true });
    assert.match(
      failure(toolOf(wrong, "claude").cells.proxy).cause,
      /~\/\.claude\/settings\.json holds env\.HTTPS_PROXY/,
    );
  });

  it("is red where the clock is outside the time of the certificate, and says so", async () => {
    const { endpoint } = world.gateway;
    const client = new GatewayClient(proxyUrl(endpoint));
    const run = await client.open();
    const year = 365 * 24 * 3600_000;
    for (const now of [Date.now() - year, Date.now() + year]) {
      const { cell } = await checkClock(client.proxy, `clock.${run.domain}`, run.ca, now);
      const { cause, fix } = failure(cell);
      assert.ok(cause.startsWith(`It is ${new Date(now).toISOString()} by this machine's clock; `), cause);
      assert.match(fix, /^Set the clock of this machine/);
    }
    await client.close(run);
  });

  it("always says that MCP servers get none of the variables", async () => {
    const report = await world.examine(["git"]);
    assert.ok(
      report.notes.some((note) => /MCP servers.*HOME, LOGNAME, PATH, SHELL, TERM and USER/.test(note)),
    );
  });
});
