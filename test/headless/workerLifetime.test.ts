import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { createAuthority } from "../../src/gateway/certificateAuthority.ts";
import { type StartOptions, type StartResult, startResult } from "../../src/shared/gatewayProtocol.ts";
import { gatewayFile } from "../support/gatewayThread.ts";
import { type HeadlessWorld, mappings, secrets, startHeadlessWorld } from "../support/headlessWorld.ts";
import { RawThread } from "../support/rawThread.ts";
import { openTls } from "../support/wire.ts";

const reference = "op://API Keys/OpenAI/api-key";

async function isClosed(port: number): Promise<void> {
  const [error] = (await once(connect(port, "127.0.0.1"), "error")) as [NodeJS.ErrnoException];
  assert.equal(error.code, "ECONNREFUSED");
}

describe("The gateway thread: start and stop", () => {
  let world: HeadlessWorld;
  let thread: RawThread;

  before(async () => {
    world = await startHeadlessWorld();
  });

  after(() => world.stop());

  beforeEach(() => {
    thread = new RawThread();
  });

  afterEach(async () => {
    await thread.terminate();
    world.upstream.reset();
    world.service.clearFaults();
    const said = JSON.stringify(thread.messages);
    for (const secret of [...Object.values(secrets), world.service.token]) {
      assert.ok(!said.includes(secret), "a secret left the thread");
    }
  });

  async function options(changes: Partial<StartOptions> = {}): Promise<StartOptions> {
    return {
      mappings: [...mappings],
      dataDir: await world.newFolder(),
      parentProxy: world.parent.url,
      extraCaCertificates: [world.authority.certificate],
      port: 0,
      ...changes,
    };
  }

  const start = async (changes: Partial<StartOptions> = {}): Promise<StartResult> =>
    startResult.parse(await thread.done({ type: "start", options: await options(changes) }));

  async function request({ endpoint, authority }: StartResult, host = "api.openai.com") {
    const wire = await openTls(endpoint, `${host}:443`, { ca: authority.certificate });
    wire.socket.write(`GET /v1/models HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    const { status, headers } = await wire.answer();
    wire.socket.destroy();
    const { authorization } = world.upstream.received.at(-1)?.headers ?? {};
    return status === 200 ? authorization : headers["x-onecli-error"];
  }

  it("fails requests that come before start, and a second start", async () => {
    for (const message of [
      { type: "setMappings", mappings: [] },
      { type: "connect", token: world.service.token },
      { type: "test", reference },
    ]) {
      assert.equal((await thread.failed(message)).code, "internal");
    }
    const answers = await Promise.all(
      [await options(), await options()].map((content) => thread.ask({ type: "start", options: content })),
    );
    assert.deepEqual(
      answers.map(({ type }) => type),
      ["done", "failed"],
    );
  });

  it("says why it cannot start, and starts when asked again", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const fails = async (changes: Partial<StartOptions>) =>
      await thread.failed({ type: "start", options: await options(changes) });
    assert.match((await fails({ port })).message, new RegExp(`Port ${port} .*EADDRINUSE`));
    server.close();
    const { message } = await fails({ parentProxy: "gopher://user:S3CR3T@parent.example" });
    assert.match(message, /parent proxy.*gopher/);
    assert.doesNotMatch(message, /S3CR3T/);
    assert.match((await fails({ dataDir: gatewayFile })).message, /cannot be written \(EEXIST\)/);
    assert.equal((await fails({ mappings: [{ hostname: "*", reference }] })).code, "bad-request");
    assert.equal(await request(await start()), "not-connected");
  });

  it("ends by itself on stop, after the last activity was reported (contract 19)", async () => {
    const started = await start();
    await thread.done({ type: "connect", token: world.service.token });
    await request(started);
    await thread.done({ type: "stop" });
    const types = thread.messages.map(({ type }) => type).filter((type) => type !== "log");
    assert.deepEqual(types.slice(-2), ["activity", "done"]);
    assert.equal(await thread.exited, 0);
    await isClosed(started.endpoint.port);
  });

  it("ends by itself on a stop before start, and on one while it starts (contract 19)", async () => {
    await thread.done({ type: "stop" });
    assert.equal(await thread.exited, 0);
    thread = new RawThread();
    thread.post({ type: "start", id: 1_000, options: await options() });
    await thread.done({ type: "stop" });
    // The answer to start comes first.
    const { result } = await thread.find((message) => message.type === "done");
    const { endpoint } = startResult.parse(result);
    await isClosed(endpoint.port);
    assert.equal(await thread.exited, 0);
  });

  it("ends by itself on stop while 1Password does not answer (contract 19)", async () => {
    await start();
    world.service.fault({ hang: true });
    const asked = world.service.nextRequest(/./);
    thread.post({ type: "connect", id: 1_000, token: world.service.token });
    await asked;
    await thread.done({ type: "stop" });
    assert.equal(await thread.exited, 0);
  });

  it("replaces an authority whose time is over, or that is none", async () => {
    const day = 24 * 60 * 60_000;
    const expired = await createAuthority(Date.now() - 3_650 * day);
    for (const authority of [expired, { certificate: "nonsense", privateKey: "nonsense" }]) {
      const second = new RawThread();
      const result = await second.done({ type: "start", options: await options({ authority }) });
      const started = startResult.parse(result);
      assert.notEqual(started.authority.certificate, authority.certificate);
      assert.equal(await request(started), "not-connected");
      await second.terminate();
    }
  });

  it("takes another port than one that stays taken, where that is allowed", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    try {
      const started = await start({ port, anyPort: true });
      assert.notEqual(started.endpoint.port, port);
      assert.equal(await request(started), "not-connected");
    } finally {
      server.close();
    }
  });

  it("takes the parent proxy of its environment, where none is given (contract 23)", async () => {
    await thread.terminate();
    thread = new RawThread({ HTTPS_PROXY: world.parent.url });
    const { parentProxy: _, ...withoutParent } = await options();
    const started = startResult.parse(await thread.done({ type: "start", options: withoutParent }));
    await thread.done({ type: "connect", token: world.service.token });
    world.parent.asked.length = 0;
    assert.equal(await request(started), `Bearer ${secrets.openai}`);
    assert.deepEqual(world.parent.asked, ["api.openai.com:443"]);
  });
});
