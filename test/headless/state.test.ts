import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { rootCertificates } from "node:tls";
import { promisify } from "node:util";
import { createAuthority } from "../../src/gateway/certificateAuthority.ts";
import { TestAuthority } from "../support/certificates.ts";
import { type HeadlessWorld, secrets, startHeadlessWorld } from "../support/headlessWorld.ts";
import { isInstalled, killPrograms, Program, runProgram, startProgram } from "../support/program.ts";
import { UpstreamServer } from "../support/upstreamServer.ts";

const execute = promisify(execFile);
const day = 24 * 60 * 60_000;

describe("onecli-gateway serve: its start and its files", () => {
  let world: HeadlessWorld;

  before(async () => {
    world = await startHeadlessWorld();
  });

  after(() => world.stop());

  afterEach(killPrograms);

  const authorityFolder = (file: string) => join(dirname(file), "state", "authority");

  async function serveOnce(file: string, env = world.env()) {
    const program = startProgram(["serve", "--config", file], { env });
    const line = await program.serving();
    program.kill("SIGTERM");
    const { status, stderr } = await program.ended;
    assert.equal(status, 0);
    return { ...line, stderr };
  }

  it("keeps its CA, and the key from others (contract 22)", async () => {
    const file = await world.config();
    const first = await serveOnce(file);
    const certificate = await readFile(first.ca, "utf8");
    const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
    assert.equal(await mode(dirname(authorityFolder(file))), "700");
    assert.equal(await mode(authorityFolder(file)), "700");
    assert.equal(await mode(join(authorityFolder(file), "key.pem")), "600");
    for (const path of [first.ca, first.bundle]) {
      assert.equal(dirname(path), join(dirname(file), "state"));
      assert.doesNotMatch(await readFile(path, "utf8"), /PRIVATE KEY/);
    }
    const second = await serveOnce(file);
    assert.deepEqual([second.ca, second.bundle], [first.ca, first.bundle]);
    assert.equal(await readFile(second.ca, "utf8"), certificate);
    assert.equal(new X509Certificate(certificate).ca, true);
  });

  for (let round = 1; round <= 5; round++) {
    it(`makes one CA when three programs start at once, round ${round} (contract 22)`, async () => {
      const file = await world.config();
      const programs = [1, 2, 3].map(() => startProgram(["serve", "--config", file], { env: world.env() }));
      const lines = await Promise.all(programs.map((program) => program.serving()));
      const certificates = await Promise.all(lines.map(({ ca }) => readFile(ca, "utf8")));
      assert.equal(new Set(certificates).size, 1);
      assert.deepEqual((await readdir(authorityFolder(file))).sort(), ["certificate.pem", "key.pem"]);
      const others = (await readdir(dirname(authorityFolder(file)))).filter(
        (name) => !/^((ca|bundle|additions)-[0-9a-f]{16}\.pem|authority)$/.test(name),
      );
      assert.deepEqual(others, [], "nothing is left over");
      // Each presents leaves that this CA has signed.
      for (const line of lines) {
        const proxy = ["--proxy", line.proxy, "--cacert", lines[0]!.ca];
        const args = ["--silent", ...proxy, "https://api.openai.com/"];
        assert.match((await new Program("curl", args, { env: world.env() }).ended).stdout, /not-connected/);
      }
    });
  }

  const damages: readonly (readonly [string, (folder: string) => Promise<void>])[] = [
    ["certificate that is none", (folder) => writeFile(join(folder, "certificate.pem"), "nonsense")],
    ["key that is none", (folder) => writeFile(join(folder, "key.pem"), "nonsense")],
    ["empty key", (folder) => writeFile(join(folder, "key.pem"), "")],
    [
      "key of another CA",
      async (folder) => writeFile(join(folder, "key.pem"), (await createAuthority()).privateKey),
    ],
    ["key that is missing", (folder) => rm(join(folder, "key.pem"))],
    ["certificate that is missing", (folder) => rm(join(folder, "certificate.pem"))],
  ];
  for (const [what, damage] of damages) {
    it(`refuses a CA folder with a ${what}, and leaves it alone (contract 21, 22)`, async () => {
      const file = await world.config();
      await serveOnce(file);
      const folder = authorityFolder(file);
      await damage(folder);
      const before = await readdir(folder);
      const { status, stdout, stderr } = await runProgram(["serve", "--config", file], { env: world.env() });
      assert.equal(status, 2);
      assert.equal(stdout, "");
      assert.match(stderr, /^onecli-gateway: [^\n]+cannot be read; remove that folder[^\n]*\n$/);
      assert.ok(stderr.includes(file) && stderr.includes(folder), stderr);
      assert.deepEqual(await readdir(folder), before);
    });
  }

  it("replaces a CA whose time is over, with several starts at once (contract 22)", async () => {
    const file = await world.config();
    const expired = await createAuthority(Date.now() - 3_650 * day);
    await mkdir(authorityFolder(file), { recursive: true });
    await writeFile(join(authorityFolder(file), "certificate.pem"), expired.certificate);
    await writeFile(join(authorityFolder(file), "key.pem"), expired.privateKey);
    const programs = [1, 2, 3].map(() => startProgram(["serve", "--config", file], { env: world.env() }));
    const lines = await Promise.all(programs.map((program) => program.serving()));
    const certificates = await Promise.all(lines.map(({ ca }) => readFile(ca, "utf8")));
    assert.equal(new Set(certificates).size, 1);
    assert.notEqual(certificates[0]?.trim(), expired.certificate.trim());
    const state = await readdir(dirname(authorityFolder(file)));
    assert.deepEqual(
      state.filter((name) => /tmp|old/.test(name)),
      [],
    );
  });

  it("bundles the system's roots, the user's own CAs, the extra CAs and its own (contract 22)", async () => {
    const file = await world.config();
    const [bundled, added] = [await TestAuthority.create("User 1"), await TestAuthority.create("User 2")];
    const folder = await world.newFolder();
    const [bundledFile, addedFile] = [join(folder, "bundled.pem"), join(folder, "added.pem")];
    await writeFile(bundledFile, `# my own\r\n${bundled.certificate.replaceAll("\n", "\r\n")}`);
    await writeFile(addedFile, added.certificate);
    const userEnv = world.env({ SSL_CERT_FILE: bundledFile, NODE_EXTRA_CA_CERTS: addedFile });
    const { bundle, ca, stderr } = await serveOnce(file, userEnv);
    assert.equal(stderr, "");
    const inBundle = new Set(fingerprints(await readFile(bundle, "utf8")));
    const own = await readFile(ca, "utf8");
    for (const [name, pem] of Object.entries({ bundled, added, extra: world.authority })) {
      assert.ok(inBundle.has(fingerprints(pem.certificate)[0]!), name);
      const leaf = join(folder, `leaf-of-${name}.pem`);
      await writeFile(leaf, (await pem.issue({ names: ["leaf.example"] })).cert);
      if (await isInstalled("openssl")) {
        await execute("openssl", ["verify", "-no-CApath", "-CAfile", bundle, leaf]);
      }
    }
    assert.ok(inBundle.has(fingerprints(own)[0]!));
    const missing = rootCertificates.filter((root) => !inBundle.has(fingerprints(root)[0]!));
    assert.deepEqual(missing, []);
    // `run` hands its command what only adds.
    const cat = ["run", "--config", file, "--", "sh", "-c", 'cat "$NODE_EXTRA_CA_CERTS"'];
    const { stdout } = await runProgram(cat, { env: userEnv });
    assert.deepEqual(
      fingerprints(stdout).sort(),
      [added, world.authority, { certificate: own }].flatMap((one) => fingerprints(one.certificate)).sort(),
    );
  });

  it("lets a client of unmapped hosts trust what it trusted before (contract 22)", async () => {
    const own = await TestAuthority.create("User");
    const server = await UpstreamServer.start(own, ["company.example"]);
    try {
      world.parent.routes.set("company.example:443", server.port);
      const file = join(await world.newFolder(), "own.pem");
      await writeFile(file, own.certificate);
      const curl = [
        "curl",
        "--silent",
        "--show-error",
        "https://company.example/",
        "https://api.openai.com/",
      ];
      const run = ["run", "--config", await world.config(), "--", ...curl];
      const outcome = await runProgram(run, { env: world.tokenEnv({ SSL_CERT_FILE: file }) });
      assert.deepEqual(outcome, { status: 0, signal: null, stdout: '{"ok":true}'.repeat(2), stderr: "" });
      assert.equal(server.received[0]?.headers.authorization, undefined);
      assert.equal(world.upstream.received.at(-1)?.headers.authorization, `Bearer ${secrets.openai}`);
    } finally {
      await server.close();
    }
  });

  it("says that a certificate file of the user's cannot be read, and goes on (contract 38)", async () => {
    const { stderr } = await serveOnce(await world.config(), world.env({ SSL_CERT_FILE: "/nowhere.pem" }));
    assert.match(stderr, /^warn [^\n]*\/nowhere\.pem[^\n]*\n$/);
  });

  it("ends cleanly on SIGTERM right after its start and at its JSON line (contract 40)", async () => {
    const early = startProgram(["serve", "--config", await world.config()], { env: world.env() });
    early.kill("SIGTERM");
    const { status, signal, stderr } = await early.ended;
    assert.equal(signal ?? status, "SIGTERM", "before the program has begun");
    assert.equal(stderr, "");
    for (let round = 0; round < 3; round++) {
      const program = startProgram(["serve", "--config", await world.config()], { env: world.env() });
      program.child.stdout!.once("data", () => program.kill("SIGTERM"));
      assert.equal((await program.ended).status, 0);
    }
  });

  it("can be ended while it waits for its token, and while it is being built (contract 40)", async () => {
    const file = await world.config({ extraCaCertificates: ["pipe"] });
    const [tokenPipe, certificatePipe] = [join(dirname(file), "token"), join(dirname(file), "pipe")];
    await execute("mkfifo", [tokenPipe, certificatePipe]);
    const args = ["serve", "--config", file];
    const waiting = startProgram([...args, "--token-file", tokenPipe], { env: world.env() });
    // Opening a pipe succeeds once the other side has opened it.
    const token = await open(tokenPipe, "w");
    waiting.kill("SIGTERM");
    const { status, signal, stdout } = await waiting.ended;
    assert.deepEqual({ status, signal, stdout }, { status: null, signal: "SIGTERM", stdout: "" });
    await token.close();

    const building = startProgram(args, { env: world.env() });
    const certificate = await open(certificatePipe, "w");
    building.kill("SIGTERM");
    await certificate.writeFile(world.authority.certificate);
    await certificate.close();
    assert.equal((await building.ended).status, 0);
  });
});

function fingerprints(text: string): string[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block).fingerprint256);
}
