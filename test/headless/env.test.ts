import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { shellCode } from "../../src/headless/shellCode.ts";
import { type HeadlessWorld, mappings, secrets, startHeadlessWorld } from "../support/headlessWorld.ts";
import {
  isInstalled,
  killPrograms,
  Program,
  runProgram,
  type ServingLine,
  startProgram,
} from "../support/program.ts";

describe("onecli-gateway env", () => {
  let world: HeadlessWorld;
  let config: string;
  let line: ServingLine;
  let gateway: Program;

  before(async () => {
    world = await startHeadlessWorld();
    config = await world.config();
    gateway = startProgram(["serve", "--config", config], { env: world.tokenEnv() });
    line = await gateway.serving();
  });

  after(async () => {
    await killPrograms();
    await world.stop();
  });

  const environment = (args: readonly string[], stdin: string, more: NodeJS.ProcessEnv = {}) =>
    runProgram(["env", ...args], { env: world.env(more), stdin });

  async function evaluatedBy(shell: readonly string[], script: string, env: NodeJS.ProcessEnv = {}) {
    const { status, stdout, stderr } = await new Program(shell[0]!, [...shell.slice(1), script], {
      env: world.env(env),
    }).ended;
    assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
    return stdout;
  }

  it("leads a shell to the gateway (contract 22)", async () => {
    const base = {
      ALL_PROXY: "socks5://other.example:1",
      NO_PROXY: "intranet.example",
      OP_SERVICE_ACCOUNT_TOKEN: "ops_x",
    };
    const { status, stdout, stderr } = await environment(
      ["--config", config],
      `${JSON.stringify(line)}\n`,
      base,
    );
    assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
    const script = `${stdout}\nenv\ncurl --silent https://api.openai.com/`;
    const output = await evaluatedBy(["sh", "-euc"], script, base);
    assert.match(output, /\{"ok":true\}$/);
    assert.equal(world.upstream.received.at(-1)?.headers.authorization, `Bearer ${secrets.openai}`);
    const lines = output.split("\n");
    for (const expected of [
      `HTTPS_PROXY=${line.proxy}`,
      `https_proxy=${line.proxy}`,
      `SSL_CERT_FILE=${line.bundle}`,
      // The configuration names an extra CA, which Node has to trust too.
      `NODE_EXTRA_CA_CERTS=${line.bundle}`,
      "NO_PROXY=intranet.example,localhost,127.0.0.1,::1",
      `ONECLI_PROXY_SESSION=${new URL(line.proxy).host}`,
    ]) {
      assert.ok(lines.includes(expected), expected);
    }
    assert.match(output, /^OPENAI_API_KEY=sk-/m);
    assert.doesNotMatch(output, /^(ALL_PROXY|OP_SERVICE_ACCOUNT_TOKEN)=/m);
  });

  it("adds only its own CA for Node, and no placeholders, where no config is given (contract 22)", async () => {
    const { stdout } = await environment([], JSON.stringify(line));
    assert.ok(stdout.includes(`export NODE_EXTRA_CA_CERTS='${line.ca}'\n`));
    assert.doesNotMatch(stdout, /OPENAI_API_KEY/);
    const own = { NODE_EXTRA_CA_CERTS: "/etc/my.pem" };
    const merged = await environment([], JSON.stringify(line), own);
    assert.ok(merged.stdout.includes(`export NODE_EXTRA_CA_CERTS='${line.bundle}'\n`));
  });

  it("sets the placeholders of mapped services only (contract 22)", async () => {
    const one = await world.config({ mappings: [mappings[0]] });
    const { stdout } = await environment(["--config", one], JSON.stringify(line));
    assert.match(stdout, /^export ANTHROPIC_API_KEY='sk-ant-/m);
    assert.doesNotMatch(stdout, /OPENAI_API_KEY/);
  });

  const valid = { proxy: "http://onecli:secret@127.0.0.1:8080", ca: "/ca.pem", bundle: "/bundle.pem" };
  const badInputs: readonly string[] = [
    "",
    "\n",
    "nonsense",
    "null",
    "[]",
    "{}",
    JSON.stringify(valid.proxy),
    JSON.stringify({ ...valid, proxy: undefined }),
    JSON.stringify({ ...valid, ca: "" }),
    JSON.stringify({ ...valid, bundle: 7 }),
    JSON.stringify({ ...valid, proxy: "http://127.0.0.1:8080" }),
    JSON.stringify({ ...valid, proxy: "https://onecli:secret@127.0.0.1:8080" }),
    JSON.stringify({ ...valid, proxy: "http://onecli:secret@evil.example:8080" }),
    JSON.stringify({ ...valid, proxy: "http://onecli:secret@127.0.0.1" }),
    JSON.stringify({ ...valid, proxy: "http://onecli:secret@127.0.0.1:99999" }),
    `${JSON.stringify(valid)}\n${JSON.stringify(valid)}`,
  ];
  it("refuses what is not the JSON line of serve, and does not repeat it (contract 35)", async () => {
    for (const input of badInputs) {
      const { status, stdout, stderr } = await environment([], input);
      assert.deepEqual({ input, status, stdout }, { input, status: 2, stdout: "" });
      assert.match(stderr, /^onecli-gateway: env reads the JSON line of serve from stdin[^\n]+\n$/);
      assert.doesNotMatch(stderr, /secret/);
    }
  });

  it("takes the line with blanks around it and the port that http implies (contract 35)", async () => {
    const proxy = "http://onecli:secret@127.0.0.1:80";
    const { stdout } = await environment([], ` ${JSON.stringify({ ...valid, proxy })}\r\n\n`);
    assert.match(stdout, /^export ONECLI_PROXY_SESSION='127\.0\.0\.1:80'$/m);
  });

  it("refuses a broken config as serve does (contract 21)", async () => {
    const broken = await world.config({ mappings: [{ hostname: "*.com", reference: "op://a/b/c" }] });
    const { status, stdout, stderr } = await environment(["--config", broken], JSON.stringify(line));
    assert.deepEqual({ status, stdout }, { status: 2, stdout: "" });
    assert.match(stderr, /^onecli-gateway: [^\n]*mappings\.0: hostname: [^\n]*\n$/);
  });

  const oddValues: readonly string[] = [
    "",
    " ",
    "a b  c",
    "it's",
    "'",
    "''",
    "'\\''",
    '"double" $HOME ${HOME} $(id) `id`',
    "back\\slash\\",
    "\\'",
    "line\nbreak\n",
    "\ttab",
    "semi;colon & | > < ( ) # ! * ? [a] {b,c} ~ %PATH% ^",
    "-n",
    "=",
    "O\u2019Brien \u2018quoted\u2019 \u201alow\u201b",
    "ünïcode 🔑",
    "C:\\Users\\A B\\bundle.pem",
  ];
  const set = Object.fromEntries(oddValues.map((value, index) => [`ODD_${index}`, value]));
  const names = Object.keys(set);

  for (const shell of ["sh", "dash", "bash", "zsh"]) {
    it(`quotes odd values for ${shell} (contract 22)`, async function () {
      if (!(await isInstalled(shell))) {
        this.skip();
      }
      const print = names.map((name) => `printf '%s\\0' "$${name}"`).join("\n");
      const script = `${shellCode({ set, unset: ["GONE", "NEVER_SET"] }, "sh")}\n${print}\nprintf '%s' "\${GONE-no}"`;
      const output = await evaluatedBy([shell, "-ec"], script, { GONE: "still here" });
      assert.deepEqual(output.split("\0"), [...oddValues, "no"]);
    });
  }

  it("quotes odd values for fish (contract 22)", async function () {
    if (!(await isInstalled("fish"))) {
      this.skip();
    }
    const print = names.map((name) => `printf '%s\\0' "$${name}"`).join("\n");
    const script = `${shellCode({ set, unset: ["GONE", "NEVER_SET"] }, "fish")}\n${print}\nset -q GONE; or printf no`;
    const output = await evaluatedBy(["fish", "-c"], script, { GONE: "still here" });
    assert.deepEqual(output.split("\0"), [...oddValues, "no"]);
  });

  it("quotes odd values for PowerShell (contract 22)", async function () {
    if (!(await isInstalled("pwsh"))) {
      this.skip();
    }
    // An empty value removes the variable there.
    const print = names.map((name) => `[Console]::Out.Write("$Env:${name}" + [char]0)`).join("\n");
    const file = join(world.folder, "odd.ps1");
    await writeFile(
      file,
      `\uFEFF${shellCode({ set, unset: ["GONE", "NEVER_SET"] }, "powershell")}\n${print}\n`,
    );
    const output = await evaluatedBy(["pwsh", "-NoProfile", "-File"], file, { GONE: "still here" });
    assert.deepEqual(output.split("\0"), [...oddValues, ""]);
  });

  it("writes the form that each shell reads (contract 22)", () => {
    const variables = { set: { A: "it's \\ \u2019" }, unset: ["B"] };
    assert.equal(shellCode(variables, "sh"), "unset B\nexport A='it'\\''s \\ \u2019'\n");
    assert.equal(shellCode(variables, "fish"), "set -e B\nset -gx A 'it\\'s \\\\ \u2019'\n");
    assert.equal(
      shellCode(variables, "powershell"),
      "Remove-Item Env:B -ErrorAction SilentlyContinue\n$Env:A = 'it''s \\ \u2019\u2019'\n",
    );
  });

  for (const [shell, form] of [
    ["fish", /^set -gx HTTPS_PROXY 'http:/m],
    ["powershell", /^\$Env:HTTPS_PROXY = 'http:/m],
  ] as const) {
    it(`prints the variables for --shell ${shell} (contract 35)`, async () => {
      const { status, stdout } = await environment(["--shell", shell], JSON.stringify(line));
      assert.equal(status, 0);
      assert.match(stdout, form);
    });
  }
});
