import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type HeadlessWorld, startHeadlessWorld } from "../support/headlessWorld.ts";
import { killPrograms, runProgram } from "../support/program.ts";

const hostname = "api.openai.com";
const fromFile = "stored-FILE-value-5e1f";
const fromVariable = "stored-VARIABLE-value-88d0";

describe("onecli-gateway: stored secrets", () => {
  let world: HeadlessWorld;
  before(async () => {
    world = await startHeadlessWorld();
  });
  after(() => world.stop());
  afterEach(async () => {
    await killPrograms();
    world.upstream.reset();
  });

  async function configWith(storedSecrets: readonly unknown[], content = `${fromFile}\n`): Promise<string> {
    const file = await world.config({ storedSecrets });
    await writeFile(join(dirname(file), "key"), content);
    return file;
  }

  const run = (config: string, script: string, env = world.env()) =>
    runProgram(["run", "--config", config, "--", "sh", "-c", script], { env });

  it("come from a file beside the configuration, without its last line break, and win over a mapping", async () => {
    const config = await configWith([{ name: "Team key", hostname, valueFile: "key" }]);
    // No token: 1Password could not even be asked.
    const { stdout } = await run(config, `env; curl --silent https://${hostname}/`);
    assert.match(stdout, /\{"ok":true\}$/);
    assert.equal(world.upstream.received.at(-1)?.headers.authorization, `Bearer ${fromFile}`);
    assert.match(stdout, /^OPENAI_API_KEY=sk-.*onecli/m);
    assert.ok(!stdout.includes(fromFile));
  });

  it("come from a variable, which the command does not get and the program's start does not show", async function () {
    const config = await configWith([{ name: "Team key", hostname, valueVariable: "TEAM_KEY" }]);
    const look = existsSync("/proc/self/environ") ? "cat /proc/$PPID/environ" : "true";
    const env = world.env({ TEAM_KEY: fromVariable, TEAM_KEY_2: "untouched" });
    const { stdout } = await run(config, `env; ${look}; curl --silent https://${hostname}/`, env);
    assert.match(stdout, /\{"ok":true\}$/);
    assert.equal(world.upstream.received.at(-1)?.headers.authorization, `Bearer ${fromVariable}`);
    assert.match(stdout, /^TEAM_KEY_2=untouched$/m);
    assert.ok(!stdout.includes(fromVariable));
  });

  it("follow their rule and their path, and leave the rest of the host to its mapping", async () => {
    const config = await configWith([
      {
        name: "Admin",
        hostname,
        path: "/v1/admin",
        rule: { kind: "header", name: "X-Admin", value: "{value}" },
        valueFile: "key",
      },
    ]);
    const { stdout } = await run(
      config,
      `curl --silent https://${hostname}/v1/admin/x https://${hostname}/v1/models`,
      world.tokenEnv(),
    );
    assert.equal(stdout, '{"ok":true}{"ok":true}');
    assert.deepEqual(
      world.upstream.received.map(({ headers }) => [headers["x-admin"], headers.authorization !== undefined]),
      [
        [fromFile, false],
        [undefined, true],
      ],
    );
  });

  const secret = { name: "Key", hostname };
  const broken: readonly (readonly [string, unknown, RegExp])[] = [
    ["that is no object", "key", /storedSecrets\.0: /],
    ["without a name", { hostname, valueFile: "key" }, /storedSecrets\.0: name: /],
    ["with an empty name", { ...secret, name: " ", valueFile: "key" }, /storedSecrets\.0: name: is empty/],
    ["with an unknown key", { ...secret, valueFile: "key", ref: "x" }, /storedSecrets\.0: unknown key "ref"/],
    [
      "for no host",
      { ...secret, hostname: "*.com", valueFile: "key" },
      /storedSecrets\.0: hostname: "\*\.com"/,
    ],
    ["without a value", secret, /storedSecrets\.0: valueFile or valueVariable: one of the two/],
    [
      "with two values",
      { ...secret, valueFile: "key", valueVariable: "KEY" },
      /storedSecrets\.0: valueFile or valueVariable: one of the two/,
    ],
    [
      "with the value itself",
      { ...secret, value: fromFile },
      /storedSecrets\.0: value: no secret belongs in this file/,
    ],
    ["of a variable that is none", { ...secret, valueVariable: "A-B" }, /valueVariable: is no name/],
    [
      "of a variable that is not set",
      { ...secret, valueVariable: "NOT_SET" },
      /valueVariable: NOT_SET is not set/,
    ],
    [
      "of a file that is not there",
      { ...secret, valueFile: "gone" },
      /valueFile: .*gone cannot be read \(ENOENT\)/,
    ],
    ["of a folder", { ...secret, valueFile: "." }, /valueFile: .* cannot be read \(EISDIR\)/],
  ];
  for (const [what, entry, named] of broken) {
    it(`refuses one ${what}, by name and without a value (contract 21)`, async () => {
      const config = await configWith([entry]);
      const { status, stdout, stderr } = await runProgram(["serve", "--config", config], {
        env: world.env(),
      });
      assert.deepEqual([status, stdout], [2, ""]);
      assert.match(stderr, /^onecli-gateway: [^\n]+\n$/, "one line");
      assert.match(stderr, named);
      assert.ok(stderr.includes(config) && !stderr.includes(fromFile));
    });
  }

  it("refuses an empty file, and two entries for the same host (contract 21)", async () => {
    const one = { ...secret, valueFile: "key" };
    const empty = await runProgram(["serve", "--config", await configWith([one], "\n")], {
      env: world.env(),
    });
    assert.match(empty.stderr, /storedSecrets\.0\.valueFile: .*key is empty/);
    const twice = await configWith([one, { ...one, hostname: "API.OpenAI.com." }]);
    const { stderr } = await runProgram(["serve", "--config", twice], { env: world.env() });
    assert.match(stderr, /storedSecrets\.1: hostname: "api\.openai\.com" is mapped twice/);
  });
});
