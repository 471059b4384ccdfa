import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { createAuthority } from "../../src/gateway/certificateAuthority.ts";
import { type StartOptions, startResult } from "../../src/shared/gatewayProtocol.ts";
import { gatewayFile } from "../support/gatewayThread.ts";
import { secrets } from "../support/headlessWorld.ts";
import { RawThread } from "../support/rawThread.ts";
import { ThreadSuite } from "./threadSuite.ts";

const reference = "op://API Keys/OpenAI/api-key";

async function isClosed(port: number): Promise<void> {
  const [error] = (await once(connect(port, "127.0.0.1"), "error")) as [NodeJS.ErrnoException];
  assert.equal(error.code, "ECONNREFUSED");
}

describe("The gateway thread: start and stop", () => {
  const suite = ThreadSuite.use();

  it("fails requests that come before start, and a second start", async () => {
    for (const message of [
      { type: "setMappings", mappings: [] },
      { type: "connect", token: suite.world.service.token },
      { type: "test", reference },
    ]) {
      assert.equal((await suite.thread.failed(message)).code, "internal");
    }
    const answers = await Promise.all(
      [await suite.options(), await suite.options()].map((content) =>
        suite.thread.ask({ type: "start", options: content }),
      ),
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
      await suite.thread.failed({ type: "start", options: await suite.options(changes) });
    assert.match((await fails({ port })).message, new RegExp(`Port ${port} .*EADDRINUSE`));
    server.close();
    await once(server, "close");
    const itself = { port, parentProxy: `http://u:S3CR3T@localhost:${port}` };
    const loop = await fails({ ...itself, parentProxySetting: "http.proxy" });
    assert.match(
      loop.message,
      /The parent proxy \(http\.proxy\) leads back to this gateway; name the proxy /,
    );
    assert.doesNotMatch(loop.message, /S3CR3T/);
    const { message } = await fails({ parentProxy: "gopher://user:S3CR3T@parent.example" });
    assert.match(message, /parent proxy.*gopher/);
    assert.doesNotMatch(message, /S3CR3T/);
    assert.match((await fails({ dataDir: gatewayFile })).message, /cannot be written \(EEXIST\)/);
    assert.equal((await fails({ mappings: [{ hostname: "*", reference }] })).code, "bad-request");
    assert.equal(await suite.request(await suite.start()), "not-connected");
  });

  it("ends by itself on stop, after the last activity was reported (contract 19)", async () => {
    const started = await suite.start();
    await suite.thread.done({ type: "connect", token: suite.world.service.token });
    await suite.request(started);
    await suite.thread.done({ type: "stop" });
    const types = suite.thread.messages.map(({ type }) => type).filter((type) => type !== "log");
    assert.deepEqual(types.slice(-2), ["activity", "done"]);
    assert.equal(await suite.thread.exited, 0);
    await isClosed(started.endpoint.port);
  });

  it("ends by itself on a stop before start, and on one while it starts (contract 19)", async () => {
    await suite.thread.done({ type: "stop" });
    assert.equal(await suite.thread.exited, 0);
    suite.thread = new RawThread();
    suite.thread.post({ type: "start", id: 1_000, options: await suite.options() });
    await suite.thread.done({ type: "stop" });
    // The answer to start comes first.
    const { result } = await suite.thread.find((message) => message.type === "done");
    const { endpoint } = startResult.parse(result);
    await isClosed(endpoint.port);
    assert.equal(await suite.thread.exited, 0);
  });

  it("ends by itself on stop while 1Password does not answer (contract 19)", async () => {
    await suite.start();
    suite.world.service.fault({ hang: true });
    const asked = suite.world.service.nextRequest(/./);
    suite.thread.post({ type: "connect", id: 1_000, token: suite.world.service.token });
    await asked;
    await suite.thread.done({ type: "stop" });
    assert.equal(await suite.thread.exited, 0);
  });

  it("replaces an authority whose time is over, or that is none", async () => {
    const day = 24 * 60 * 60_000;
    const expired = await createAuthority(Date.now() - 3_650 * day);
    for (const authority of [expired, { certificate: "nonsense", privateKey: "nonsense" }]) {
      const second = new RawThread();
      const result = await second.done({ type: "start", options: await suite.options({ authority }) });
      const started = startResult.parse(result);
      assert.notEqual(started.authority.certificate, authority.certificate);
      assert.equal(await suite.request(started), "not-connected");
      await second.terminate();
    }
  });

  it("takes another port than one that stays taken, where that is allowed", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    try {
      const started = await suite.start({ port, anyPort: true });
      assert.notEqual(started.endpoint.port, port);
      assert.equal(await suite.request(started), "not-connected");
    } finally {
      server.close();
    }
  });

  it("takes the parent proxy of its environment, where none is given (contract 23)", async () => {
    await suite.thread.terminate();
    suite.thread = new RawThread({ HTTPS_PROXY: suite.world.parent.url });
    const { parentProxy: _, ...withoutParent } = await suite.options();
    const started = startResult.parse(await suite.thread.done({ type: "start", options: withoutParent }));
    await suite.thread.done({ type: "connect", token: suite.world.service.token });
    suite.world.parent.asked.length = 0;
    assert.equal(await suite.request(started), `Bearer ${secrets.openai}`);
    assert.deepEqual(suite.world.parent.asked, ["api.openai.com:443"]);
  });
});
