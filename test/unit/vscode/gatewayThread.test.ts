import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { isOneCliError } from "../../../src/core/errors.ts";
import { GatewayThread, type ThreadState } from "../../../src/vscode/gatewayThread.ts";
import { recordingLogger } from "../../support/logger.ts";

const file = fileURLToPath(new URL("threads/broken.mjs", import.meta.url));

function setUp() {
  const logger = recordingLogger();
  const states: ThreadState["kind"][] = [];
  let wake = () => undefined;
  let starts = 0;
  const thread = new GatewayThread({
    file,
    logger,
    startOptions: () => Promise.resolve({ mappings: [], dataDir: "", extraCaCertificates: [], port: 0 }),
    onStarted: () => {
      starts++;
      return Promise.resolve();
    },
    onState: ({ kind }) => {
      states.push(kind);
      wake();
    },
    onActivity: () => undefined,
    onAsk: () => Promise.resolve(undefined),
    times: { heartbeat: 50, hang: 300, firstBackoff: 10, longestBackoff: 50 },
  });
  /** Fulfilled when the thread has entered a state for the nth time. */
  const entered = async (kind: ThreadState["kind"], times: number) => {
    while (states.filter((state) => state === kind).length < times) {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      wake = () => {
        resolve(undefined);
        return undefined;
      };
      await promise;
    }
  };
  return { thread, logger, states, entered, starts: () => starts };
}

describe("GatewayThread", () => {
  let parts: ReturnType<typeof setUp>;
  beforeEach(() => {
    parts = setUp();
  });
  afterEach(() => parts.thread.stop());

  const tellToBreak = (how: string) => parts.thread.request({ type: "test", reference: how });

  it("starts once however often it is asked, and stops", async () => {
    const { thread, states, starts } = parts;
    const [first, second] = await Promise.all([thread.start(), thread.start()]);
    assert.equal(first, second);
    assert.equal(starts(), 1);
    await thread.stop();
    assert.deepEqual(states, ["starting", "running", "stopped"]);
    await thread.stop();
  });

  it("passes a refusal of the gateway on with its code", async () => {
    await parts.thread.start();
    await assert.rejects(tellToBreak("refuse"), (error) => isOneCliError(error, "reference-not-found"));
  });

  it("refuses requests while it does not run", async () => {
    await assert.rejects(tellToBreak("refuse"), (error) => isOneCliError(error, "gateway-stopping"));
  });

  it("starts again after a crash, fails what was asked, and logs no text of the error", async () => {
    const { thread, states, entered, starts, logger } = parts;
    await thread.start();
    await assert.rejects(tellToBreak("crash"), (error) => isOneCliError(error, "gateway-stopping"));
    await entered("running", 2);
    assert.deepEqual(states, ["starting", "running", "restarting", "running"]);
    assert.equal(starts(), 2);
    assert.ok(!logger.lines.join("\n").includes("op://"));
    await assert.rejects(tellToBreak("refuse"), (error) => isOneCliError(error, "reference-not-found"));
  });

  it("ends a thread that hangs, and starts it again", async () => {
    const { thread, entered, logger } = parts;
    await thread.start();
    await assert.rejects(tellToBreak("hang"), (error) => isOneCliError(error, "gateway-stopping"));
    await entered("running", 2);
    assert.ok(logger.lines.some((line) => line.includes("does not answer")));
  });

  it("survives crash after crash", async () => {
    const { thread, entered, starts } = parts;
    await thread.start();
    for (let round = 2; round <= 5; round++) {
      await assert.rejects(tellToBreak("crash"));
      await entered("running", round);
    }
    assert.equal(starts(), 5);
  });

  it("starts when asked to while it stops, after that", async () => {
    const { thread } = parts;
    await thread.start();
    const stopping = thread.stop();
    assert.equal(thread.state.kind, "stopped");
    const [, start] = await Promise.all([stopping, thread.start()]);
    assert.deepEqual(thread.state, { kind: "running", start });
    await Promise.all([thread.stop(), thread.stop()]);
    assert.equal(thread.state.kind, "stopped");
  });

  it("is not started behind the back of who stopped it while it started", async () => {
    const { thread, states } = parts;
    const starting = assert.rejects(thread.start(), (error) => isOneCliError(error, "gateway-stopping"));
    await thread.stop();
    await starting;
    assert.deepEqual(states, ["starting", "stopped"]);
    await thread.start();
    assert.equal(thread.state.kind, "running");
  });

  it("survives two restarts at once", async () => {
    const { thread } = parts;
    const restart = () => thread.stop().then(() => thread.start());
    await thread.start();
    await Promise.all([restart(), restart()]);
    assert.equal(thread.state.kind, "running");
  });

  it("drops a message that is not of the protocol", async () => {
    await parts.thread.start();
    await tellToBreak("nonsense");
    assert.ok(parts.logger.lines.some((line) => line.includes("not of the protocol")));
  });
});
