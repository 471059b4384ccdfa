// Live reload of what `serve` was started with: real files, changed as editors, Kubernetes and rotations change them.
// Whoever waits, waits for a line on stderr or for a changed answer.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { type ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { type HeadlessWorld, mappings, secrets, startHeadlessWorld } from "../support/headlessWorld.ts";
import { startOnePasswordService } from "../support/onePassword/service.ts";
import {
  endpointOf,
  killPrograms,
  type Program,
  type ServingLine,
  startProgram,
} from "../support/program.ts";
import { connectTo, openTls, requestHead, type WireAnswer } from "../support/wire.ts";

const [anthropic, openai, git] = mappings;

const hashOf = (password: string) => `sha256:${createHash("sha256").update(password).digest("hex")}`;

describe("onecli-gateway serve: live reload", () => {
  let world: HeadlessWorld;

  before(async () => {
    world = await startHeadlessWorld();
  });

  after(() => world.stop());

  afterEach(async () => {
    await killPrograms();
    world.upstream.reset();
  });

  interface Served {
    readonly file: string;
    readonly program: Program;
    readonly line: ServingLine;
    /** Changes keys of the file; `undefined` leaves a key out. */
    readonly change: (changes: Readonly<Record<string, unknown>>) => Promise<string>;
  }

  async function serveFile(file: string, ...more: string[]): Promise<Served> {
    const env = more.length === 0 ? world.tokenEnv() : world.env();
    const program = startProgram(["serve", "--config", file, ...more], { env });
    const line = await program.serving();
    const change = async (changes: Readonly<Record<string, unknown>>) => {
      const content = { ...(JSON.parse(await readFile(file, "utf8")) as object), ...changes };
      await writeFile(file, JSON.stringify(content));
      return JSON.stringify(content);
    };
    return { file, program, line, change };
  }

  const serve = async (changes: Readonly<Record<string, unknown>> = {}, ...more: string[]) =>
    serveFile(await world.config(changes), ...more);

  /** The next line on stderr that matches, beyond those that are there. */
  function nextLine(program: Program, pattern: RegExp): Promise<string> {
    const seen = program.stderr.length;
    const after = new RegExp(`^[\\s\\S]{${seen}}[\\s\\S]*?(${pattern.source})`);
    return program.said("stderr", after).then(([, match = ""]) => match);
  }

  async function ask(line: ServingLine, host: string): Promise<WireAnswer> {
    const ca = await readFile(line.ca, "utf8");
    const wire = await openTls(endpointOf(line), `${host}:443`, { ca });
    wire.send(requestHead("GET /v1/models", `Host: ${host}`, "Connection: close"));
    const answer = await wire.answer();
    wire.socket.destroy();
    return answer;
  }

  /** Whether the host is opened by the gateway: a tunnel shows the server's own certificate, which is not trusted here. */
  async function isMapped(line: ServingLine, host: string): Promise<boolean> {
    try {
      return (await ask(line, host)).status === 200;
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "UNABLE_TO_VERIFY_LEAF_SIGNATURE");
      return false;
    }
  }

  const ways: readonly (readonly [string, (file: string, text: string) => Promise<void>])[] = [
    ["written in place", (file, text) => writeFile(file, text)],
    [
      "replaced by another file, as editors do",
      async (file, text) => {
        await writeFile(`${file}.swp`, text);
        await rename(`${file}.swp`, file);
      },
    ],
    [
      "removed and written anew",
      async (file, text) => {
        await rm(file);
        await writeFile(file, text);
      },
    ],
  ];
  for (const [how, write] of ways) {
    it(`applies mappings at once, with the file ${how}`, async () => {
      const { file, program, line } = await serve({ mappings: [openai] });
      assert.deepEqual(
        [await isMapped(line, openai.hostname), await isMapped(line, git.hostname)],
        [true, false],
      );
      const content = JSON.parse(await readFile(file, "utf8")) as object;
      const applied = nextLine(program, /info .*config\.json: applied mappings\n/);
      await write(file, JSON.stringify({ ...content, mappings: [git] }));
      await applied;
      assert.deepEqual(
        [await isMapped(line, openai.hostname), await isMapped(line, git.hostname)],
        [false, true],
      );
      assert.equal(world.upstream.received.at(-1)?.headers.authorization, `Bearer ${secrets.git}`);
      assert.equal(program.stdout, `${JSON.stringify(line)}\n`, "one line in its whole life (contract 38)");
    });
  }

  it("follows a ConfigMap of Kubernetes, whose links are turned all at once", async () => {
    const folder = await world.newFolder();
    const original = await world.config({ mappings: [openai], dataDir: await world.newFolder() });
    const content = JSON.parse(await readFile(original, "utf8")) as object;
    const publish = async (version: string, list: unknown) => {
      await mkdir(join(folder, version));
      await writeFile(join(folder, version, "upstream-ca.pem"), world.authority.certificate);
      await writeFile(join(folder, version, "onecli.json"), JSON.stringify({ ...content, mappings: list }));
      await symlink(version, join(folder, "..data_tmp"));
      await rename(join(folder, "..data_tmp"), join(folder, "..data"));
    };
    await publish("..2026_1", [openai]);
    for (const name of ["onecli.json", "upstream-ca.pem"]) {
      await symlink(join("..data", name), join(folder, name));
    }
    const { program, line } = await serveFile(join(folder, "onecli.json"));
    const applied = nextLine(program, /onecli\.json: applied mappings\n/);
    await publish("..2026_2", [git]);
    await rm(join(folder, "..2026_1"), { recursive: true });
    await applied;
    assert.deepEqual(
      [await isMapped(line, openai.hostname), await isMapped(line, git.hostname)],
      [false, true],
    );
    assert.doesNotMatch(program.stderr, /error|warn/);
  });

  const broken: readonly (readonly [string, (good: Record<string, unknown>) => string, RegExp])[] = [
    ["no JSON", () => "{", /the file is not valid JSON/],
    ["nothing", () => "", /the file is not valid JSON/],
    ["an unknown key", (good) => JSON.stringify({ ...good, mapings: [] }), /unknown key "mapings"/],
    [
      "a host that is mapped twice",
      (good) => JSON.stringify({ ...good, mappings: [openai, { ...openai, hostname: "API.OpenAI.com." }] }),
      /mappings\.1: hostname: "api\.openai\.com" is mapped twice/,
    ],
    [
      "a file that is not there",
      (good) => JSON.stringify({ ...good, extraCaCertificates: ["gone.pem"] }),
      /extraCaCertificates\.0: gone\.pem cannot be read/,
    ],
  ];
  for (const [what, make, named] of broken) {
    it(`keeps the last good state when the file holds ${what}, and says so in one line`, async () => {
      const { file, program, line } = await serve({ mappings: [openai] });
      const text = await readFile(file, "utf8");
      const said = nextLine(program, /error [^\n]*\n/);
      await writeFile(file, make(JSON.parse(text) as Record<string, unknown>));
      const fault = await said;
      assert.ok(fault.startsWith(`error ${file}: `), fault);
      assert.match(fault, named);
      assert.match(fault, /; the last good configuration stays in use\n$/);
      assert.equal(await isMapped(line, openai.hostname), true);
      const again = nextLine(program, /info .*config\.json: is good again and in use\n/);
      await writeFile(file, text);
      await again;
      assert.equal(program.stderr.split(fault).length, 2, "said once");
      assert.equal(await isMapped(line, openai.hostname), true);
    });
  }

  it("keeps the last good state when the file vanishes, and takes it up when it is back", async () => {
    const { file, program, line, change } = await serve({ mappings: [openai] });
    const text = await readFile(file, "utf8");
    const said = nextLine(
      program,
      /error [^\n]*: the file does not exist; the last good configuration stays/,
    );
    await rm(file);
    assert.ok((await said).includes(file));
    assert.equal(await isMapped(line, openai.hostname), true);
    const again = nextLine(program, /is good again and in use\n/);
    await writeFile(file, text);
    await change({ mappings: [git] });
    await again;
    assert.deepEqual(
      [await isMapped(line, openai.hostname), await isMapped(line, git.hostname)],
      [false, true],
    );
  });

  it("notices that a file which was missing is there, with the configuration untouched", async () => {
    const { file, program, change } = await serve();
    const said = nextLine(program, /error [^\n]*new\.pem cannot be read/);
    await change({ extraCaCertificates: ["upstream-ca.pem", "new.pem"] });
    await said;
    const again = nextLine(program, /is good again and in use\n/);
    await writeFile(join(dirname(file), "new.pem"), world.authority.certificate);
    await again;
  });

  const fixed: readonly (readonly [string, unknown])[] = [
    ["listen", { port: 1 }],
    ["dataDir", "elsewhere"],
    ["parentProxy", "http://127.0.0.1:9"],
    ["noProxy", ["internal.example"]],
    ["extraCaCertificates", []],
  ];
  it("names what waits for the next start, and applies the rest", async () => {
    const { file, program, line, change } = await serve({ mappings: [openai] });
    const applied = nextLine(program, /applied mappings\n/);
    await change({ mappings: [git], ...Object.fromEntries(fixed) });
    await applied;
    for (const [key] of fixed) {
      await program.said("stderr", new RegExp(`warn ${file}: ${key}: .*takes effect at the next start\n`));
    }
    assert.equal(await isMapped(line, git.hostname), true);
    const twice = nextLine(program, /applied mappings\n/);
    await change({ mappings: [git, openai] });
    await twice;
    assert.equal(program.stderr.split("takes effect").length - 1, fixed.length, "each is said once");
  });

  it("ends with the last of many quick changes", async () => {
    const { program, line, change } = await serve({ mappings: [openai] });
    const last = nextLine(program, /applied log, mappings\n/);
    for (let round = 0; round < 40; round++) {
      await change({ mappings: round % 2 === 0 ? [git] : [openai, anthropic] });
    }
    await change({ mappings: [git, anthropic], log: { level: "debug" } });
    await last;
    assert.deepEqual(
      await Promise.all([openai, git, anthropic].map(({ hostname }) => isMapped(line, hostname))),
      [false, true, true],
    );
  });

  it("does not disturb requests in flight, those to a host that is unmapped meanwhile included", async () => {
    const { program, line, change } = await serve({ mappings: [openai] });
    const ca = await readFile(line.ca, "utf8");
    const wire = await openTls(endpointOf(line), `${openai.hostname}:443`, { ca });
    const arrived = new Promise<ServerResponse>((resolve) => {
      world.upstream.handler = (_request, response) => {
        response.write("first ");
        resolve(response);
      };
    });
    wire.send(requestHead("GET /v1/stream", `Host: ${openai.hostname}`));
    const response = await arrived;
    await wire.until("first ");
    const applied = nextLine(program, /applied mappings\n/);
    await change({ mappings: [git] });
    await applied;
    response.end("last");
    assert.match(await wire.until("0\r\n\r\n"), /last/);
  });

  it("reads the token's file again, and keeps the last good token where it cannot be used", async () => {
    const other = await startOnePasswordService({
      vaults: [
        {
          title: "API Keys",
          items: [{ title: "OpenAI", fields: [{ label: "api-key", value: "rotated-value" }] }],
        },
      ],
    });
    try {
      const folder = await world.newFolder();
      const file = join(folder, "token");
      await writeFile(file, world.service.token);
      const { program, line } = await serve({ mappings: [openai] }, "--token-file", file);
      const sent = async () => {
        assert.equal((await ask(line, openai.hostname)).status, 200);
        return world.upstream.received.at(-1)?.headers.authorization;
      };
      assert.equal(await sent(), `Bearer ${secrets.openai}`);

      const refused = nextLine(program, /error token \(from [^\n]*; the last good token stays in use\n/);
      await writeFile(file, other.token.slice(0, -20));
      assert.ok(!(await refused).includes(other.token.slice(4, 24)), "shows none of it");
      assert.equal(await sent(), `Bearer ${secrets.openai}`);

      const gone = nextLine(
        program,
        /error token: [^\n]*cannot be read \(ENOENT\); the last good token stays/,
      );
      await rm(file);
      await gone;
      assert.equal(await sent(), `Bearer ${secrets.openai}`);

      const applied = nextLine(program, /info token: is good again and in use\n/);
      await writeFile(`${file}.new`, other.token);
      await rename(`${file}.new`, file);
      await applied;
      assert.equal(await sent(), "Bearer rotated-value");
      assert.ok(!program.stderr.includes(other.token.slice(4, 24)));
    } finally {
      await other.close();
    }
  });

  it("reads the value of a stored secret again when its file is replaced", async () => {
    const { file, program, line, change } = await serve({ mappings: [] });
    const value = join(dirname(file), "value");
    await writeFile(value, "first-value\n");
    const added = nextLine(program, /applied storedSecrets\n/);
    await change({ storedSecrets: [{ name: "One", hostname: openai.hostname, valueFile: "value" }] });
    await added;
    const sent = async () => {
      assert.equal((await ask(line, openai.hostname)).status, 200);
      return world.upstream.received.at(-1)?.headers.authorization;
    };
    assert.equal(await sent(), "Bearer first-value");
    const rotated = nextLine(program, /applied storedSecrets\n/);
    await writeFile(`${value}.new`, "second-value\n");
    await rename(`${value}.new`, value);
    await rotated;
    assert.equal(await sent(), "Bearer second-value");
    const emptied = nextLine(
      program,
      /error [^\n]*value is empty; the last good configuration stays in use\n/,
    );
    await writeFile(value, "");
    await emptied;
    assert.equal(await sent(), "Bearer second-value");
    assert.doesNotMatch(program.stderr, /(first|second)-value/);
  });

  it("lets an agent that is taken out of the file go: what it has open ends, what it opens is refused", async () => {
    const [stays, goes] = [
      { name: "stays", passwordHash: hashOf("one") },
      { name: "goes", passwordHash: hashOf("two") },
    ];
    const { program, line, change } = await serve({ mappings: [openai], agents: [stays, goes] });
    const ca = await readFile(line.ca, "utf8");
    const { port } = endpointOf(line);
    const endpoints = [
      { port, username: "stays", password: "one" },
      { port, username: "goes", password: "two" },
    ] as const;
    const open = await Promise.all(
      endpoints.map(async (endpoint) => ({
        intercepted: await openTls(endpoint, `${openai.hostname}:443`, { ca }),
        tunnel: (await connectTo(endpoint, "unmapped.example:443")).wire,
      })),
    );
    const applied = nextLine(program, /applied agents\n/);
    await change({ agents: [stays] });
    await applied;
    await Promise.all([open[1]!.intercepted.closed(), open[1]!.tunnel.closed()]);
    open[0]!.intercepted.send(requestHead("GET /", `Host: ${openai.hostname}`));
    assert.equal((await open[0]!.intercepted.answer()).status, 200);
    assert.equal(open[0]!.tunnel.socket.readyState, "open");
    assert.equal((await connectTo(endpoints[1], "unmapped.example:443")).answer.status, 407);
    assert.equal((await connectTo(endpoints[0], "unmapped.example:443")).answer.status, 200);
  });
});
