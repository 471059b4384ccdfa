// Tools at the work they are there for, against servers that demand the secret with every request.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { type ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { pathWith } from "../agents/install.ts";
import { runtimes } from "../agents/runtimes.ts";
import { leaksIn } from "../support/canary.ts";
import { CompatibilityRecord, versionOf } from "../support/compatibility.ts";
import { serveGit } from "../support/gitServer.ts";
import { type HeadlessWorld, secrets, startHeadlessWorld } from "../support/headlessWorld.ts";
import { packageFiles } from "../support/packages/registry.ts";
import { killPrograms, type Program, startProgram } from "../support/program.ts";

interface Installer {
  readonly name: string;
  /** Prints the tool's version; fails where it is not installed. */
  readonly version: readonly string[];
  /** A shell script that installs the package and has it say its greeting. */
  readonly script: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly greeting: RegExp;
}

const origin = "https://git.example.test";

const installers: readonly Installer[] = [
  {
    name: "npm",
    version: ["npm", "--version"],
    script: `npm install --no-audit --no-fund --registry ${origin}/npm/ greeting && node -p 'require("greeting")'`,
    files: { "package.json": "{}" },
    greeting: /Hello from npm\./,
  },
  {
    name: "bun",
    version: ["bun", "--version"],
    script: `bun install --registry ${origin}/npm/ && bun -p 'require("greeting")'`,
    files: { "package.json": '{"dependencies":{"greeting":"1.0.0"}}' },
    greeting: /Hello from npm\./,
  },
  {
    name: "deno",
    version: ["deno", "--version"],
    script: `deno run ${origin}/deno/greeting.ts`,
    greeting: /Hello from Deno\./,
  },
  {
    name: "pip",
    version: ["python3", "-m", "pip", "--version"],
    script: `python3 -m pip install --quiet --no-cache-dir --disable-pip-version-check --target . \\
      --index-url ${origin}/pypi/simple greeting && python3 -c 'import greeting; print(greeting.text)'`,
    greeting: /Hello from PyPI\./,
  },
  {
    name: "uv",
    version: ["uv", "--version"],
    script: `uv pip install --no-cache --no-config --target . --default-index ${origin}/pypi/simple greeting &&
      python3 -c 'import greeting; print(greeting.text)'`,
    greeting: /Hello from PyPI\./,
  },
  {
    name: "cargo",
    version: ["cargo", "--version"],
    script: "cargo fetch && cat $CARGO_HOME/registry/src/*/greeting-1.0.0/src/lib.rs",
    files: {
      "Cargo.toml": `[package]\nname = "work"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\ngreeting = { version = "1.0.0", registry = "here" }\n`,
      ".cargo/config.toml": `[registries.here]\nindex = "sparse+${origin}/crates/"\n`,
      "src/lib.rs": "",
    },
    greeting: /Hello from crates\./,
  },
  {
    name: "go",
    version: ["go", "version"],
    script:
      "go mod download -x hello.example/greeting && cat $GOPATH/pkg/mod/hello.example/greeting*/greeting.go",
    files: {
      "go.mod": "module work\n\ngo 1.18\n\nrequire hello.example/greeting v1.0.0\n",
    },
    greeting: /Hello from Go\./,
  },
];

const compatibility = new CompatibilityRecord("work", {
  section: "Tools at work",
  about:
    "Tools at their own work as children of `onecli-gateway run`, against local servers that refuse every request without " +
    "the secret.",
  columns: ["task", "done with a secret it never holds"],
});
const done = { "done with a secret it never holds": "yes" };
const git = { name: "git", version: ["git", "--version"] };

const aiohttp = {
  name: "aiohttp (Python)",
  version: ["python3", "-c", "import aiohttp; print(aiohttp.__version__)"],
};
// It reads the proxy variables where it is told to.
const aiohttpScript = `
import asyncio, aiohttp

async def main():
    async with aiohttp.ClientSession(trust_env=True) as session:
        async with session.get("${origin}/events") as answer:
            async for line in answer.content:
                print(line.decode(), end="", flush=True)

asyncio.run(main())
`;

/** Deno and Bun where `npm run test:agents` has installed them, unless the machine has its own. */
const path = pathWith(runtimes);

describe("onecli-gateway run: tools at work", () => {
  let world: HeadlessWorld;
  const bearer = `Bearer ${secrets.git}`;
  /** The form that github.com takes a token in. */
  const basic = `Basic ${Buffer.from(`x-access-token:${secrets.git}`).toString("base64")}`;

  before(async () => {
    world = await startHeadlessWorld();
  });

  after(async () => {
    await world.stop();
    await compatibility.write();
  });

  afterEach(async () => {
    await killPrograms();
    world.upstream.reset();
  });

  /** Starts a script of the shell, behind its environment, in a folder and home of its own. */
  async function start(
    script: string,
    files: Readonly<Record<string, string>> = {},
    changes: Readonly<Record<string, unknown>> = {},
  ): Promise<Program> {
    const cwd = await world.newFolder();
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(cwd, name)), { recursive: true });
      await writeFile(join(cwd, name), content);
    }
    const home = await world.newFolder();
    const env = world.tokenEnv({
      PATH: path,
      HOME: home,
      // What finds its programs by the home would not find them in this one.
      CARGO_HOME: join(home, "cargo"),
      RUSTUP_HOME: process.env["RUSTUP_HOME"] ?? join(process.env["HOME"] ?? "", ".rustup"),
      GOPATH: join(home, "go"),
      GOPROXY: `${origin}/go`,
      GONOSUMDB: "hello.example",
      GOFLAGS: "-mod=mod -modcacherw",
      GOTOOLCHAIN: "local",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_TERMINAL_PROMPT: "0",
    });
    const args = ["run", "--config", await world.config(changes), "--", "sh", "-c", `env\n${script}`];
    return startProgram(args, { env, cwd });
  }

  /** What the script has said when it is done. */
  async function finish(program: Program): Promise<string> {
    const { status, stdout, stderr } = await program.ended;
    const said = stdout + stderr;
    assert.equal(status, 0, said);
    assert.match(stdout, /^HTTPS_PROXY=/m, "its environment");
    assert.deepEqual(
      leaksIn(
        said,
        new Map([
          ["secret", secrets.git],
          ["secret of git", basic.slice("Basic ".length)],
          ["token", world.service.token],
        ]),
      ),
      [],
    );
    return stdout;
  }

  function refuse(response: ServerResponse): void {
    response.writeHead(401, { "www-authenticate": 'Basic realm="packages"' }).end();
  }

  it("lets git clone, and push more than one buffer of it, over HTTPS (contract 12)", async function () {
    compatibility.trying(git.name, await versionOf(git, this), Object.keys(done));
    const root = await world.newFolder();
    const repository = join(root, "octo/hello.git");
    await execute("git", ["init", "--quiet", "--bare", "--initial-branch=main", repository]);
    world.upstream.handler = (request, response) => {
      if (request.headers.authorization === basic) {
        serveGit(root, request, response);
      } else {
        refuse(response);
      }
    };
    const mappings = [{ hostname: "github.com", reference: "op://API Keys/Git/token" }];
    // More than http.postBuffer (1 MB) is sent in chunks.
    const script = `set -e
      git clone https://github.com/octo/hello.git hello 2>&1
      cd hello
      head -c 3000000 /dev/urandom > big
      git add big
      git -c user.name=Octo -c user.email=octo@example.test commit --quiet --message 'Add a file'
      git push --quiet origin HEAD:main
      cd ..
      git clone --quiet https://github.com/octo/hello.git again
      cmp hello/big again/big && echo same`;
    const stdout = await finish(await start(script, {}, { mappings }));
    assert.match(stdout, /^same$/m);
    assert.ok(
      world.upstream.received.some(
        ({ url, headers }) => url.endsWith("/git-receive-pack") && headers["transfer-encoding"] === "chunked",
      ),
      "the push was chunked",
    );
    compatibility.proved(git.name, { ...done, task: "clone, push 3 MB, over HTTPS" });
  });

  it("lets aiohttp of Python read a stream, each event as soon as it is made (contract 12)", async function () {
    compatibility.trying(aiohttp.name, await versionOf(aiohttp, this), Object.keys(done));
    const seen = Promise.withResolvers<undefined>();
    world.upstream.handler = (request, response) => {
      if (request.headers.authorization !== bearer) {
        refuse(response);
        return;
      }
      response.writeHead(200, { "content-type": "text/event-stream" }).write("data: first\n\n");
      void seen.promise.then(() => response.end("data: second\n\n"));
    };
    const program = await start("python3 stream.py", { "stream.py": aiohttpScript });
    await program.said("stdout", /^data: first$/m);
    seen.resolve(undefined);
    assert.match(await finish(program), /^data: first\n\ndata: second\n$/m);
    compatibility.proved(aiohttp.name, { ...done, task: "read a stream of events" });
  });

  for (const tool of installers) {
    const { name, script, files, greeting } = tool;
    it(`lets ${name} install a package from a registry that wants a token`, async function () {
      this.timeout(60_000);
      compatibility.trying(name, await versionOf(tool, this, path), Object.keys(done));
      const served = await packageFiles(origin);
      const missing: string[] = [];
      world.upstream.handler = (request, response) => {
        request.resume();
        const found = served.get(decodeURIComponent(new URL(request.url ?? "", origin).pathname));
        if (request.headers.authorization !== bearer) {
          refuse(response);
        } else if (found === undefined) {
          missing.push(request.url ?? "");
          response.writeHead(404).end();
        } else {
          response.writeHead(200, { "content-type": found.type }).end(found.content);
        }
      };
      const stdout = await finish(await start(script, files));
      assert.match(stdout, greeting, missing.join());
      compatibility.proved(name, { ...done, task: "install from a private registry" });
    });
  }
});

async function execute(command: string, args: readonly string[]): Promise<void> {
  const [status] = (await once(spawn(command, args, { stdio: "inherit" }), "exit")) as [number | null];
  assert.equal(status, 0);
}
