import assert from "node:assert/strict";
import { type StartOptions, type StartResult, startResult } from "../../src/shared/gatewayProtocol.ts";
import { type HeadlessWorld, mappings, secrets, startHeadlessWorld } from "../support/headlessWorld.ts";
import { RawThread } from "../support/rawThread.ts";
import { openTls } from "../support/wire.ts";

/** A thread for each test of a suite, in one world, and the proof that no secret left it. */
export class ThreadSuite {
  world!: HeadlessWorld;
  thread!: RawThread;

  /** To be called within `describe`. */
  static use(): ThreadSuite {
    const suite = new ThreadSuite();
    before(async () => {
      suite.world = await startHeadlessWorld();
    });
    after(() => suite.world.stop());
    beforeEach(() => {
      suite.thread = new RawThread();
    });
    afterEach(() => suite.#end());
    return suite;
  }

  async options(changes: Partial<StartOptions> = {}): Promise<StartOptions> {
    return {
      mappings: [...mappings],
      dataDir: await this.world.newFolder(),
      parentProxy: this.world.parent.url,
      extraCaCertificates: [this.world.authority.certificate],
      port: 0,
      ...changes,
    };
  }

  async start(changes: Partial<StartOptions> = {}): Promise<StartResult> {
    const options = await this.options(changes);
    return startResult.parse(await this.thread.done({ type: "start", options }));
  }

  /** The credential that the upstream got, or the code with which the gateway refused. */
  async request({ endpoint, authority }: StartResult, host = "api.openai.com"): Promise<string | undefined> {
    const wire = await openTls(endpoint, `${host}:443`, { ca: authority.certificate });
    wire.socket.write(`GET /v1/models HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    const { status, headers } = await wire.answer();
    wire.socket.destroy();
    const { authorization } = this.world.upstream.received.at(-1)?.headers ?? {};
    return status === 200 ? authorization : headers["x-onecli-error"];
  }

  async #end(): Promise<void> {
    await this.thread.terminate();
    this.world.upstream.reset();
    this.world.service.clearFaults();
    const said = JSON.stringify(this.thread.messages);
    for (const secret of [...Object.values(secrets), this.world.service.token]) {
      assert.ok(!said.includes(secret), "a secret left the thread");
    }
  }
}
