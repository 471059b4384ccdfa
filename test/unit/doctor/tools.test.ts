import assert from "node:assert/strict";
import { type AgentTool, tools } from "../../../src/doctor/tools.ts";
import { terminalEnvironment } from "../../../src/core/terminalEnvironment.ts";

const agents = tools.filter((tool): tool is AgentTool => tool.kind === "agent");
const overruled = (name: string, file: string, text: string) =>
  agents
    .find((agent) => agent.name === name)
    ?.settings.find((settings) => settings.file === file)
    ?.overrules(text);

describe("the doctor's tools", () => {
  it("have names of their own, which fit into a host", () => {
    const names = tools.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const name of names) {
      assert.match(`${name}-request`, /^[a-z][a-z0-9-]{0,62}$/);
    }
  });

  it("name only variables that terminals have", () => {
    const endpoint = { port: 1, username: "u", password: "p" };
    const { set } = terminalEnvironment(endpoint, { ca: "a", bundle: "b", additions: "c" }, [], {});
    for (const { name, proxy, ca } of agents) {
      for (const variable of [...proxy, ...ca]) {
        assert.ok(variable in set, `${name}: ${variable}`);
      }
    }
  });

  it("know settings of agents that come before the environment", () => {
    const claude = "~/.claude/settings.json";
    assert.deepEqual(overruled("claude", claude, '{"env":{"HTTPS_PROXY":"http://corp","EDITOR":"vi"}}'), [
      "env.HTTPS_PROXY",
    ]);
    assert.deepEqual(overruled("claude", claude, '{"env":{"EDITOR":"vi"}}'), []);
    assert.deepEqual(overruled("claude", claude, "no JSON"), []);
    assert.deepEqual(overruled("claude", claude, ""), []);
    assert.deepEqual(overruled("gemini", "~/.gemini/settings.json", '{\n// mine\n"proxy":"http://corp"}'), [
      "proxy",
    ]);
    assert.deepEqual(overruled("gemini", "~/.gemini/.env", "GEMINI_API_KEY=x\nexport https_proxy=y\n"), [
      "https_proxy",
    ]);
    assert.deepEqual(overruled("qwen", "~/.qwen/settings.json", '{"proxy":"http://corp"}'), ["proxy"]);
    const codex = "~/.codex/config.toml";
    assert.equal(overruled("codex", codex, '[shell_environment_policy]\ninherit = "core"\n')?.length, 1);
    assert.equal(overruled("codex", codex, 'shell_environment_policy = { inherit = "none" }\n')?.length, 1);
    assert.equal(overruled("codex", codex, '[shell_environment_policy.set]\nHTTPS_PROXY = "x"\n')?.length, 1);
    assert.equal(
      overruled("codex", codex, '[shell_environment_policy]\ninherit = "all"\n[other]\ninherit = "core"\n')
        ?.length,
      0,
    );
  });
});
