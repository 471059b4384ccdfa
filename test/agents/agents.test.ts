// Real agents, each asked one thing that takes a command to answer, against stand-ins of their vendors' APIs.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type MappingInput } from "../../src/core/mapping.ts";
import { type VendorRequest } from "../support/apis/vendorServer.ts";
import { startVendorWorld, vendors, type VendorWorld } from "../support/apis/world.ts";
import { leaksIn, readTree } from "../support/canary.ts";
import { CompatibilityRecord, toolSection } from "../support/compatibility.ts";
import { environmentsBelow, showsEnvironments } from "../support/processTree.ts";
import { killPrograms, type Outcome, startProgram } from "../support/program.ts";
import { type Agent, agents } from "./agents.ts";
import { install } from "./install.ts";

/** An agent that is not done by then never will be: some try for minutes, some for ever. */
const patience = 90_000;

const compatibility = new CompatibilityRecord("agents", {
  section: "Agents",
  about:
    "Run by `onecli-gateway run`, without a person, against local stand-ins of their vendors' APIs that demand the real " +
    "key. *environment clean*: no process of the agent, no file in its home, work and temporary folder and nothing that it " +
    "printed held a real key or the 1Password token, in any encoding. *error shown*: a reference that is not found.",
  columns: [
    "answer",
    "real key upstream",
    "tool round trip",
    "environment clean",
    "error shown",
    "transport",
    "seconds",
  ],
});

const tools = new CompatibilityRecord("tools", toolSection);

interface Run {
  readonly outcome: Outcome;
  readonly seconds: number;
  /** All that the agent said. */
  readonly output: string;
  /** What a process, a file or a stream held, by its name. */
  readonly held: ReadonlyMap<string, string>;
  /** The environment of the command that the agent executed; undefined: it executed none. */
  readonly toolEnvironment: string | undefined;
}

describe("onecli-gateway run: real agents", function () {
  this.timeout(patience + 30_000);
  let world: VendorWorld;

  before(async () => {
    world = await startVendorWorld();
  });

  after(async () => {
    await world.stop();
    await compatibility.write();
    await tools.write();
  });

  afterEach(async () => {
    await killPrograms();
    world.server.reset();
  });

  /** Has the agent execute a command that says `word`, through a gateway whose mappings are changed as given. */
  async function run(agent: Agent, word: string, change: Partial<MappingInput> = {}): Promise<Run> {
    const place = await world.newFolder(agent.program);
    const [home, work, temporary] = ["home", "work", "tmp"].map((name) => join(place, name)) as [
      string,
      string,
      string,
    ];
    await Promise.all([home, work, temporary].map((folder) => mkdir(folder)));
    for (const [name, content] of Object.entries(agent.files ?? {})) {
      await mkdir(dirname(join(home, name)), { recursive: true });
      await writeFile(join(home, name), content);
    }
    const probe = join(work, "probe.sh");
    const dump = join(work, "environment.txt");
    await writeFile(probe, `env > '${dump}'\necho ${word}\n`);
    // Where the host is mapped, the gateway's placeholder is all that there is.
    const own = change.enabled === false ? Object.fromEntries([agent.key]) : {};
    const env = world.env(home, { TMPDIR: temporary, ...agent.env, ...own });
    const config = await world.config(change);

    const held = new Map<string, string>();
    const command = [await install(agent), ...agent.args("Run the probe.")];
    const begin = performance.now();
    const gateway = startProgram(["run", "--config", config, "--", ...command], { env, cwd: work });
    const { pid = assert.fail("not started") } = gateway.child;
    const look = (): void => {
      for (const [name, environment] of showsEnvironments ? environmentsBelow(pid) : []) {
        held.set(name, environment);
      }
    };
    world.server.onRequest = look;
    const { tool } = agent;
    world.server.model = ({ tools, toolOutputs }) => {
      // Titles and the like are asked for without tools.
      if (!tools.includes(tool.name)) {
        return { kind: "text", pieces: ["A title"] };
      }
      return toolOutputs.length === 0
        ? { kind: "tool", name: tool.name, input: tool.input(`sh ${probe}`) }
        : { kind: "text", pieces: ["The answer", " is ", "forty-two."] };
    };
    const outcome = await Promise.race([gateway.ended, lapse(patience)]);
    if (outcome === undefined) {
      const { stdout, stderr } = gateway;
      assert.fail(`${agent.name} was not done after ${patience / 1000} s: ${stdout}${stderr}`);
    }
    held.set("stdout", outcome.stdout).set("stderr", outcome.stderr);
    for (const [file, content] of await readTree(place)) {
      held.set(file, content);
    }
    return {
      outcome,
      seconds: (performance.now() - begin) / 1000,
      output: outcome.stdout + outcome.stderr,
      held,
      toolEnvironment: await readFile(dump, "utf8").catch(() => undefined),
    };
  }

  function assertClean({ held }: Run): void {
    for (const [place, text] of held) {
      assert.deepEqual(leaksIn(text, world.secrets), [], place);
    }
  }

  for (const agent of agents) {
    describe(agent.name, () => {
      const { api } = vendors[agent.vendor];

      before(async function () {
        this.timeout(600_000);
        await install(agent);
      });

      it("works with a key that it never holds (contract 20)", async () => {
        compatibility.trying(agent.name, agent.version, [
          "answer",
          "real key upstream",
          "tool round trip",
          "environment clean",
        ]);
        tools.trying(agent.name, agent.version, ["proxy", "CA", "header", agent.transport]);
        const word = `word-${randomBytes(6).toString("hex")}`;
        const done = await run(agent, word);
        assert.equal(done.outcome.status, 0, done.output);
        assert.match(done.output, /The answer is forty-two\./);

        const { requests } = world.server;
        for (const { host, key } of requests) {
          assert.equal(key, keyOf(host), host);
        }
        const environment = done.toolEnvironment ?? assert.fail("the command was not executed");
        const placeholders = [...environment.matchAll(/^\w+_(?:KEY|TOKEN)=(.+)$/gm)].map(
          ([, value]) => value!,
        );
        assert.ok(placeholders.length > 0, environment);
        for (const { rawHeaders, path, body } of requests) {
          const text = [...rawHeaders, path, body].join("\n");
          assert.ok(!placeholders.some((value) => text.includes(value)), "a placeholder went upstream");
        }

        const prompts = requests.filter(
          ({ host, body }) => host === api.host && body.includes(agent.tool.name),
        );
        assert.deepEqual([...new Set(prompts.map(transportOf))], [agent.transport]);
        assert.ok(!prompts[0]!.body.includes(word));
        assert.ok(prompts.at(-1)!.body.includes(word), "the command's output went back");

        assert.match(environment, /^HTTPS_PROXY=/m);
        if (showsEnvironments) {
          assert.ok([...done.held.values()].some((text) => text.includes("\0HTTPS_PROXY=")));
        }
        assertClean(done);
        compatibility.proved(agent.name, {
          answer: "yes",
          "real key upstream": "yes",
          "tool round trip": "yes",
          "environment clean": "yes",
          transport: agent.transport,
          seconds: done.seconds.toFixed(1),
        });
        tools.proved(agent.name, ["proxy", "CA", "header", agent.transport]);
        const other = agent.transport === "SSE" ? "WebSocket" : "SSE";
        tools.explain(agent.name, {
          [other]: "an agent's way to its model is the one that it chooses by itself",
          h2: "which HTTP an agent speaks is not looked at",
        });
      });

      it("shows what is wrong, and ends (contract 4)", async () => {
        compatibility.trying(agent.name, agent.version, ["error shown"]);
        const done = await run(agent, "word", { reference: "op://API Keys/No such item/credential" });
        assert.notEqual(done.outcome.status, 0);
        assert.match(done.output, /OneCLI: No item matches.*reference-not-found/);
        if (agent.transport === "WebSocket") {
          // At 426 it falls back at once; at any other status it tries seven times.
          assert.equal(
            done.output.match(/failed to connect to Responses WebSocket/g)?.length,
            1,
            done.output,
          );
        }
        assert.deepEqual(world.server.requests, []);
        assertClean(done);
        compatibility.proved(agent.name, { "error shown": `yes, after ${done.seconds.toFixed(1)} s` });
      });

      it("is refused where the mapping is disabled", async () => {
        const done = await run(agent, "word", { enabled: false });
        assert.notEqual(done.outcome.status, 0);
        assert.doesNotMatch(done.output, /forty-two/);
        assert.ok(world.server.requests.length > 0);
        for (const { transport, key } of world.server.requests) {
          assert.equal(transport, "refused");
          assert.ok(key === undefined || key === agent.key[1], "the key is not the real one");
        }
        assertClean(done);
      });
    });
  }
});

function keyOf(host: string): string | undefined {
  return Object.values(vendors).find(({ api }) => api.host === host)?.key;
}

function transportOf({ transport }: VendorRequest): string {
  return { sse: "SSE", json: "JSON", websocket: "WebSocket", refused: "refused" }[transport];
}

function lapse(milliseconds: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds, undefined).unref());
}
