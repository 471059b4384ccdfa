import assert from "node:assert/strict";
import { join } from "node:path";
import { type VendorName, type VendorWorld, startVendorWorld, vendors } from "../support/apis/world.ts";
import { leaksIn, readTree } from "../support/canary.ts";
import { CompatibilityRecord, versionOf } from "../support/compatibility.ts";
import { killPrograms, type Outcome, type Program, startProgram } from "../support/program.ts";
import { type Line, line } from "./programs/ask.ts";

interface Sdk {
  readonly name: string;
  /** Prints the version of the SDK's package; fails where it is not installed. */
  readonly version: readonly string[];
  readonly command: readonly string[];
  readonly vendor: VendorName;
  /** Where the SDK looks for its key. */
  readonly variable: string;
}

const program = (name: string) => join(import.meta.dirname, "programs", name);

/** A package of npm, which is there because this project has it. */
function onNode(name: string, file: string, vendor: VendorName, variable: string, api = ""): Sdk {
  const manifest = join(import.meta.dirname, "../../node_modules", name, "package.json");
  return {
    name: `${name}${api}`,
    version: [process.execPath, "-p", `require(${JSON.stringify(manifest)}).version`],
    command: [process.execPath, program(file)],
    vendor,
    variable,
  };
}

/** A package of PyPI, tested where it is installed. */
function onPython(name: string, file: string, vendor: VendorName, variable: string): Sdk {
  return {
    name: `${name} (Python)`,
    version: ["python3", "-c", `import importlib.metadata as m; print(m.version("${name}"))`],
    command: ["python3", program(file)],
    vendor,
    variable,
  };
}

const sdks: readonly Sdk[] = [
  onNode("@anthropic-ai/sdk", "anthropic.ts", "anthropic", "ANTHROPIC_API_KEY"),
  onNode("openai", "openaiResponses.ts", "openai", "OPENAI_API_KEY", " (Responses)"),
  onNode("openai", "openaiChat.ts", "openai", "OPENAI_API_KEY", " (Chat Completions)"),
  onNode("@google/genai", "gemini.ts", "gemini", "GEMINI_API_KEY"),
  onPython("anthropic", "anthropic_messages.py", "anthropic", "ANTHROPIC_API_KEY"),
  onPython("openai", "openai_chat.py", "openai", "OPENAI_API_KEY"),
  onPython("google-genai", "google_genai.py", "gemini", "GEMINI_API_KEY"),
];

const streamed = ["stream, piece by piece", "real key upstream only"];
const refused = ["error shown", "no retry"];
const compatibility = new CompatibilityRecord("sdks", {
  section: "SDKs",
  about:
    "The vendors' SDKs as children of `onecli-gateway run`, against local stand-ins of the APIs that demand the real key.",
  columns: ["answer", ...streamed, ...refused],
});

const placeholder = "placeholder-of-the-test";
const separator = "--- end of the environment ---";

describe("onecli-gateway run: the vendors' SDKs", () => {
  let world: VendorWorld;
  let home: string;

  before(async () => {
    world = await startVendorWorld();
  });

  after(async () => {
    await world.stop();
    await compatibility.write();
  });

  beforeEach(async () => {
    home = await world.newFolder("home");
  });

  afterEach(async () => {
    await killPrograms();
    world.server.reset();
  });

  /** Prints its environment, then asks twice: for a whole answer and for a streamed one. */
  function start({ command, variable }: Sdk, config: string): Program {
    const script = `env; echo '${separator}'; exec "$@"`;
    const env = world.env(home, { [variable]: placeholder, PYTHONDONTWRITEBYTECODE: "1" });
    return startProgram(["run", "--config", config, "--", "sh", "-c", script, "sh", ...command], { env });
  }

  /** The lines that the program said; no secret is in them, its environment and its home. */
  async function linesOf({ status, stdout, stderr }: Outcome): Promise<Line[]> {
    assert.equal(status, 0, stderr);
    const [environment = "", said = ""] = stdout.split(`${separator}\n`);
    assert.match(environment, /^HTTPS_PROXY=/m);
    for (const text of [stdout, stderr, ...(await readTree(home)).values()]) {
      assert.deepEqual(leaksIn(text, world.secrets), []);
    }
    return said
      .trimEnd()
      .split("\n")
      .map((text) => line.parse(JSON.parse(text)));
  }

  it("streams to openai (Python) over a WebSocket for a key that it never holds (contract 12)", async function () {
    const { api, key } = vendors.openai;
    const sdk: Sdk = {
      name: "openai (Python, WebSocket)",
      version: ["python3", "-c", "import openai, websockets; print(openai.__version__)"],
      command: ["python3", program("openai_websocket.py")],
      vendor: "openai",
      variable: "OPENAI_API_KEY",
    };
    compatibility.trying(sdk.name, await versionOf(sdk, this), streamed);
    const { pieces, release } = heldPieces();
    world.server.model = () => ({ kind: "text", pieces: pieces() });
    const running = start(sdk, await world.config());
    await running.said("stdout", /\{"piece":"First, "\}/);
    release();
    assert.deepEqual(await linesOf(await running.ended), [{ piece: "First, " }, { piece: "then the rest." }]);
    // The handshake and one message.
    assert.deepEqual(
      world.server.requests.map((request) => [request.host, request.key, request.transport]),
      [
        [api.host, key, "websocket"],
        [api.host, key, "websocket"],
      ],
    );
    compatibility.proved(sdk.name, streamed);
  });

  for (const sdk of sdks) {
    describe(sdk.name, () => {
      const { api, key } = vendors[sdk.vendor];

      let version: string;

      beforeEach(async function () {
        version = await versionOf(sdk, this);
      });

      it(`gets answers for a key that it never holds, each piece as soon as it is made (contract 12)`, async () => {
        compatibility.trying(sdk.name, version, ["answer", ...streamed]);
        const { pieces, release } = heldPieces();
        world.server.model = () => {
          const isFirst = world.server.requests.length === 0;
          return { kind: "text", pieces: isFirst ? ["Hello."] : pieces() };
        };
        const running = start(sdk, await world.config());
        await running.said("stdout", /\{"piece":"First, "\}/);
        release();
        assert.deepEqual(await linesOf(await running.ended), [
          { mode: "whole", requests: 1, answer: "Hello." },
          { piece: "First, " },
          { piece: "then the rest." },
          { mode: "stream", requests: 1, answer: "First, then the rest." },
        ]);
        assert.deepEqual(
          world.server.requests.map((request) => [request.host, request.key, request.transport]),
          [
            [api.host, key, "json"],
            [api.host, key, "sse"],
          ],
        );
        for (const { rawHeaders, path, body } of world.server.requests) {
          assert.doesNotMatch([...rawHeaders, path, body].join("\n"), /placeholder/);
        }
        compatibility.proved(sdk.name, ["answer", ...streamed]);
      });

      it(`shows what is wrong, and does not try again (contract 4)`, async () => {
        compatibility.trying(sdk.name, version, refused);
        const config = await world.config({ reference: "op://API Keys/No such item/credential" });
        const lines = await linesOf(await start(sdk, config).ended);
        assert.equal(lines.length, 2);
        for (const said of lines) {
          assert.ok("error" in said, JSON.stringify(said));
          assert.equal(said.status, 424);
          assert.match(said.message, /No item matches.*reference-not-found/s);
          assert.equal(said.requests, 1);
        }
        assert.deepEqual(world.server.requests, []);
        compatibility.proved(sdk.name, refused);
      });

      it(`is left without the key where the mapping is disabled`, async () => {
        const lines = await linesOf(await start(sdk, await world.config({ enabled: false })).ended);
        assert.deepEqual(
          lines.map((said) => "status" in said && said.status),
          [api.refusal.status, api.refusal.status],
        );
        assert.deepEqual(
          world.server.requests.map((request) => request.key),
          [placeholder, placeholder],
        );
      });
    });
  }
});

/** A text in two pieces, the second of which is not made before it is released. */
function heldPieces(): { pieces: () => AsyncGenerator<string>; release: () => void } {
  const released = Promise.withResolvers<undefined>();
  return {
    async *pieces() {
      yield "First, ";
      await released.promise;
      yield "then the rest.";
    },
    release: () => released.resolve(undefined),
  };
}
