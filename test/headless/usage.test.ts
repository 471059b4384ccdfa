import assert from "node:assert/strict";
import { type HeadlessWorld, startHeadlessWorld } from "../support/headlessWorld.ts";
import { killPrograms, runProgram } from "../support/program.ts";

describe("onecli-gateway: usage", () => {
  let world: HeadlessWorld;

  before(async () => {
    world = await startHeadlessWorld();
  });

  after(() => world.stop());

  afterEach(killPrograms);

  for (const args of [
    ["--help"],
    ["-h"],
    ["serve", "--help"],
    ["run", "--help"],
    ["env", "--help"],
    ["doctor", "--help"],
    ["agent", "--help"],
    ["authority", "--help"],
  ]) {
    it(`prints help for "${args.join(" ")}" on stdout (contract 35)`, async () => {
      const { status, stdout, stderr } = await runProgram(args, { env: world.env() });
      assert.equal(status, 0);
      assert.equal(stderr, "");
      assert.match(stdout, /Usage:/);
      assert.ok(args.length === 1 || stdout.includes(`onecli-gateway ${args[0]!}`));
    });
  }

  const wrongUsages: readonly (readonly string[])[] = [
    [],
    ["sever"],
    ["--unknown"],
    ["serve"],
    ["serve", "--config"],
    ["serve", "--config", "CONFIG", "more"],
    ["serve", "--config", "CONFIG", "--token", "ops_abc"],
    ["serve", "--config", "CONFIG", "--token-fd", "three"],
    ["serve", "--config", "CONFIG", "--token-fd", "-1"],
    ["serve", "--config", "CONFIG", "--token-fd", "3", "--token-file", "token"],
    ["run", "--", "true"],
    ["run", "--config", "CONFIG"],
    ["run", "--config", "CONFIG", "--"],
    ["run", "--config", "CONFIG", "true"],
    ["run", "--config", "CONFIG", "--", ""],
    ["run", "--config", "CONFIG", "--token-fd", "0", "--", "true"],
    ["env", "--shell", "tcsh"],
    ["env", "more"],
    ["doctor", "emacs"],
    ["doctor", "--unknown"],
    ["doctor", "--config"],
    ["agent"],
    ["agent", "ci:1"],
    ["agent", "onecli"],
    ["agent", "ci-1", "more"],
    ["authority"],
    ["authority", "--out"],
    ["authority", "--out", "DIR", "more"],
  ];
  for (const args of wrongUsages) {
    it(`refuses "${args.join(" ")}" on stderr (contract 35)`, async () => {
      const file = await world.config();
      const filled = args.map((arg) => (arg === "CONFIG" ? file : arg));
      const { status, stdout, stderr } = await runProgram(filled, { env: world.env() });
      assert.equal(status, 2);
      assert.equal(stdout, "");
      assert.match(stderr, /^onecli-gateway: [^\n]+--help\)\n$/);
      assert.doesNotMatch(stderr, /ops_abc/);
    });
  }

  it("prints its version (contract 35)", async () => {
    const { status, stdout, stderr } = await runProgram(["--version"], { env: world.env() });
    assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  });
});
