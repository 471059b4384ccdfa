// Two gateways that share nothing but their configuration, behind one nginx.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { type ServerResponse } from "node:http";
import { join } from "node:path";
import { type GatewayEndpoint } from "../../src/core/terminalEnvironment.ts";
import { freePort } from "../support/freePort.ts";
import { type HeadlessWorld, mappings, startHeadlessWorld } from "../support/headlessWorld.ts";
import {
  endpointOf,
  isInstalled,
  killPrograms,
  Program,
  runProgram,
  startProgram,
} from "../support/program.ts";
import { openTls, requestHead } from "../support/wire.ts";

const host = "api.openai.com";
const streamModule = "/usr/lib/nginx/modules/ngx_stream_module.so";

interface Outcome {
  /** The gateway that it went through, once that was known: every gateway has a key of its own for its leaves. */
  readonly gateway: string | undefined;
  /** Undefined where there was no whole answer. */
  readonly status: number | undefined;
}

describe("two gateways behind one nginx", () => {
  let world: HeadlessWorld;
  let login: { readonly username: string; readonly password: string };
  let shared: Readonly<Record<string, unknown>>;
  let ca: string;

  before(async function () {
    world = await startHeadlessWorld();
    if (!(await isInstalled("nginx")) || !existsSync(streamModule)) {
      console.log("      nginx or its stream module (libnginx-mod-stream) is not installed");
      this.skip();
    }
    const env = world.env();
    const folder = join(world.folder, "ca");
    const made = await runProgram(["authority", "--out", folder], { env });
    const { password, entry } = JSON.parse((await runProgram(["agent", "ci-1"], { env })).stdout) as {
      password: string;
      entry: object;
    };
    login = { username: "ci-1", password };
    shared = { ...(JSON.parse(made.stdout) as object), agents: [entry], mappings: [mappings[1]] };
    ca = await readFile(join(folder, "certificate.pem"), "utf8");
  });

  after(() => world.stop());

  afterEach(async () => {
    await killPrograms();
    world.upstream.reset();
  });

  async function startGateway(changes: Readonly<Record<string, unknown>> = {}) {
    const file = await world.config({ ...shared, ...changes });
    const program = startProgram(["serve", "--config", file], { env: world.tokenEnv() });
    const { port } = endpointOf(await program.serving());
    const { gateway } = await ask({ port, ...login }, "/who");
    assert.ok(gateway !== undefined);
    return { program, port, gateway };
  }

  /** @param servers lines of nginx's `upstream` */
  async function startNginx(servers: readonly string[]) {
    const folder = await world.newFolder();
    const port = await freePort();
    const file = join(folder, "nginx.conf");
    const write = (list: readonly string[]) =>
      writeFile(
        file,
        `load_module ${streamModule};
        daemon off;
        worker_processes 1;
        pid ${folder}/nginx.pid;
        error_log stderr notice;
        events {}
        stream {
          upstream gateways { ${list.join(" ")} }
          server { listen 127.0.0.1:${port}; proxy_pass gateways; }
        }`,
      );
    await write(servers);
    const nginx = new Program("nginx", ["-e", "stderr", "-p", folder, "-c", file], { env: world.env() });
    await nginx.said("stderr", /start worker process \d+/);
    /** Fulfilled when no connection to come goes to another server than these. */
    const change = async (list: readonly string[]) => {
      await write(list);
      nginx.kill("SIGHUP");
      await nginx.said("stderr", /gracefully shutting down/);
    };
    return { endpoint: { port, ...login }, change };
  }

  /** One request on a connection of its own. */
  async function ask(endpoint: GatewayEndpoint, path: string): Promise<Outcome> {
    let gateway: string | undefined;
    try {
      const wire = await openTls(endpoint, `${host}:443`, { ca });
      gateway = wire.socket
        .getPeerX509Certificate()
        ?.publicKey.export({ type: "spki", format: "der" })
        .toString("hex");
      wire.send(requestHead(`GET ${path}`, `Host: ${host}`, "Connection: close"));
      const { status } = await wire.answer();
      wire.socket.destroy();
      return { gateway, status };
    } catch {
      return { gateway, status: undefined };
    }
  }

  /** Clients that ask again and again until they are told to stop, and how each request fared. */
  function startClients(endpoint: GatewayEndpoint, count: number) {
    const outcomes: (Outcome & { readonly begun: number })[] = [];
    let stopping = false;
    let wake: (() => void) | undefined;
    const client = async () => {
      while (!stopping) {
        const begun = performance.now();
        outcomes.push({ begun, ...(await ask(endpoint, "/loop")) });
        wake?.();
      }
    };
    const clients = Promise.all(Array.from({ length: count }, client));
    return {
      /** Fulfilled after as many more requests as are given. */
      async more(requests: number) {
        const until = outcomes.length + requests;
        while (outcomes.length < until) {
          await new Promise<void>((resolve) => (wake = resolve));
        }
      },
      async stop() {
        stopping = true;
        await clients;
        return outcomes;
      },
    };
  }

  const server = ({ port }: { readonly port: number }) => `server 127.0.0.1:${port} max_fails=0;`;

  it("lose those requests alone that are in flight on a gateway which is killed", async () => {
    const [first, second] = [await startGateway(), await startGateway()];
    const { endpoint } = await startNginx([server(first), server(second)]);
    const held: ServerResponse[] = [];
    const plain = world.upstream.handler;
    const allHeld = new Promise<void>((resolve) => {
      world.upstream.handler = (request, response) => {
        if (request.url !== "/held") {
          plain(request, response);
        } else if (held.push(response) === 4) {
          resolve();
        }
      };
    });
    const inFlight = Array.from({ length: 4 }, () => ask(endpoint, "/held"));
    await allHeld;
    const clients = startClients(endpoint, 4);
    await clients.more(20);
    first.program.kill("SIGKILL");
    await first.program.exited;
    const killed = performance.now();
    await clients.more(40);
    const outcomes = await clients.stop();
    for (const response of held) {
      response.end("{}");
    }
    const heldOutcomes = await Promise.all(inFlight);
    const lost = outcomes.filter(({ status }) => status !== 200);
    assert.deepEqual(
      lost.filter(({ begun, gateway }) => begun > killed || gateway === second.gateway),
      [],
      "of the loop",
    );
    assert.ok(outcomes.some(({ begun, gateway }) => begun < killed && gateway === first.gateway));
    assert.ok(
      outcomes.filter(({ begun }) => begun > killed).every(({ gateway }) => gateway === second.gateway),
    );
    assert.deepEqual(
      heldOutcomes.map(({ gateway, status }) => [gateway, status]).sort(),
      [first, first, second, second]
        .map(({ gateway }) => [gateway, gateway === first.gateway ? undefined : 200])
        .sort(),
    );
  });

  it("lose none when one is stopped by SIGTERM and the load balancer is told meanwhile (contract 19)", async () => {
    const [first, second] = [await startGateway({ stopDelay: 3 }), await startGateway()];
    const { endpoint, change } = await startNginx([server(first), server(second)]);
    const clients = startClients(endpoint, 4);
    await clients.more(20);
    first.program.kill("SIGTERM");
    await first.program.said("stderr", /stopping in 3 seconds/);
    await change([server(second)]);
    assert.equal((await first.program.exited).status, 0);
    await clients.more(40);
    const outcomes = await clients.stop();
    assert.deepEqual(
      outcomes.filter(({ status }) => status !== 200),
      [],
    );
    assert.ok(outcomes.some(({ gateway }) => gateway === first.gateway));
    assert.equal(outcomes.at(-1)?.gateway, second.gateway);
  });
});
