// npm run test:soak: what takes minutes. The built program serves in a process of its own, so that its memory is its
// alone (VmRSS of /proc, so Linux only: heap, buffers and all). Prints what it measures.
//
// ONECLI_SOAK_GB: gigabytes of each transfer, 10 where not given.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type ClientHttp2Session, type ServerHttp2Stream } from "node:http2";
import { type IncomingMessage, type ServerResponse } from "node:http";
import { type Readable, type Writable } from "node:stream";
import { crc32 } from "node:zlib";
import { type GatewayEndpoint } from "../../src/core/terminalEnvironment.ts";
import { type HeadlessWorld, startHeadlessWorld } from "../support/headlessWorld.ts";
import { inspected, liveBytes } from "../support/heap.ts";
import { ask, Http2UpstreamServer, openHttp2 } from "../support/http2.ts";
import { endpointOf, killPrograms, type Program, startProgram } from "../support/program.ts";
import { openTls, openTlsSocket, requestHead } from "../support/wire.ts";

const gigabyte = 1024 ** 3;
const megabyte = 1024 ** 2;
const total = Math.round(Number(process.env["ONECLI_SOAK_GB"] ?? "10") * gigabyte);
/** Megabytes by which the gateway may grow beyond what it needed for a first transfer. */
const allowedGrowth = 128;
/** Megabytes for one open connection with its upstream's: two of TCP and two of TLS, and what HTTP keeps. */
const perConnection = 0.4;
const streams = 1000;
/** Compiles what they run, and widens V8's young generation, which grows to 128 MB where many live at once. */
const firstRequests = 20_000;
const requests = 50_000;
/** Bytes that a request may leave in the heap. Resident memory says little: it is collected when V8 sees fit. */
const perRequest = 32;

const h1Host = "api.openai.com";
const h2Host = "git.example.test";
const versions = [
  ["http/1.1", h1Host],
  ["h2", h2Host],
] as const;

interface Transfer {
  readonly bytes: number;
  readonly crc: number;
}

describe("soak", () => {
  let world: HeadlessWorld;
  let h2: Http2UpstreamServer;
  let gateway: Program;
  let endpoint: GatewayEndpoint;
  let ca: string;

  before(async () => {
    world = await startHeadlessWorld();
    h2 = await Http2UpstreamServer.start(world.authority, [h2Host], { initialWindowSize: megabyte });
    world.parent.routes.set(`${h2Host}:443`, h2.port);
  });
  after(async () => {
    await killPrograms();
    await world.stop();
    await h2.close();
  });
  beforeEach(async () => {
    world.upstream.reset();
    world.upstream.keepBodies = false;
    h2.reset();
    gateway = startProgram(["serve", "--config", await world.config()], {
      env: { ...world.tokenEnv(), NODE_OPTIONS: inspected },
    });
    const line = await gateway.serving();
    endpoint = endpointOf(line);
    ca = readFileSync(line.ca, "utf8");
  });
  afterEach(async () => {
    gateway.kill("SIGTERM");
    await gateway.exited;
  });

  function residentMegabytes(): number {
    const status = readFileSync(`/proc/${String(gateway.child.pid)}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
  }

  /** Prints how long something took and how the gateway grew, and holds the latter against the bound. */
  async function measured(
    what: string,
    bytes: number,
    work: () => Promise<void>,
    allowed = allowedGrowth,
  ): Promise<void> {
    const start = residentMegabytes();
    let peak = start;
    const sampling = setInterval(() => (peak = Math.max(peak, residentMegabytes())), 100);
    const startedAt = performance.now();
    await work();
    clearInterval(sampling);
    const seconds = (performance.now() - startedAt) / 1000;
    const speed = bytes === 0 ? "" : `, ${Math.round(bytes / megabyte / seconds)} MB/s`;
    const [from, to, most] = [start, residentMegabytes(), peak].map(Math.round);
    console.log(
      `      ${what}: ${seconds.toFixed(1)} s${speed}; RSS ${from} MB before, ${to} MB after, ${most} MB at most`,
    );
    assert.ok(peak - start < allowed, `the gateway grew by ${Math.round(peak - start)} MB`);
  }

  for (const [version, host] of versions) {
    it(`carries ${total / gigabyte} GB down by ${version} in constant memory (contract 12)`, async () => {
      const sent: Transfer[] = [];
      const answer = (path: string, body: Writable) =>
        void send(body, Number(path.slice(1))).then((done) => sent.push(done));
      world.upstream.handler = ({ url = "" }, response) => {
        response.writeHead(200, { "content-length": url.slice(1) });
        answer(url, response);
      };
      h2.handler = ({ stream, headers }) => {
        stream.respond({ ":status": 200 });
        answer(headers[":path"] ?? "", stream);
      };
      const download = async (bytes: number) => {
        const body = await open(version, host, "GET", `/${bytes}`, 0);
        assert.deepEqual(await receive(body.answer, bytes), sent.pop());
        body.close();
      };
      await download(256 * megabyte);
      await measured("down", total, () => download(total));
    }).timeout(0);

    it(`carries ${total / gigabyte} GB up by ${version} in constant memory (contract 12)`, async () => {
      const received = async (body: Readable, bytes: number, answer: (text: string) => void) => {
        answer(JSON.stringify(await receive(body, bytes)));
      };
      world.upstream.handler = (request: IncomingMessage, response: ServerResponse) => {
        void received(request, Number(request.url?.slice(1)), (text) => response.end(text));
      };
      h2.handler = ({
        stream,
        headers,
      }: {
        stream: ServerHttp2Stream;
        headers: IncomingMessage["headers"];
      }) => {
        stream.session?.setLocalWindowSize(16 * megabyte);
        void received(stream, Number(headers[":path"]?.toString().slice(1)), (text) => {
          stream.respond({ ":status": 200 });
          stream.end(text);
        });
      };
      const upload = async (bytes: number) => {
        const body = await open(version, host, "POST", `/${bytes}`, bytes);
        const sent = await send(body.request, bytes, false);
        assert.ok((await body.text()).includes(JSON.stringify(sent)));
        body.close();
      };
      await upload(256 * megabyte);
      await measured("up", total, () => upload(total));
    }).timeout(0);

    it(`carries ${streams} event streams at once by ${version}, each event as it is sent (contract 12)`, async () => {
      const open: Writable[] = [];
      const allOpen = Promise.withResolvers<undefined>();
      const begin = (stream: Writable) => {
        if (open.push(stream) === streams) {
          allOpen.resolve(undefined);
        }
      };
      world.upstream.handler = (_request, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
        begin(response);
      };
      h2.handler = ({ stream }) => {
        stream.respond({ ":status": 200, "content-type": "text/event-stream" });
        begin(stream);
      };
      const clients: Awaited<ReturnType<typeof openTls>>[] = [];
      const sessions: ClientHttp2Session[] = [];
      const heard: Promise<void>[] = [];
      let round = 0;
      let missing = 0;
      let complete = Promise.withResolvers<undefined>();
      /** Counts the events of one client, which come one in a round. */
      const listen = (stream: Readable) => {
        let events = 0;
        let rest = "";
        stream.on("data", (chunk: Buffer) => {
          const parts = (rest + chunk.toString("latin1")).split("\n\n");
          rest = parts.pop() ?? "";
          events += parts.filter((part) => part.includes("data: ")).length;
          assert.ok(events <= round);
          missing -= parts.filter((part) => part.includes(`data: ${round};`)).length;
          if (missing === 0) {
            complete.resolve(undefined);
          }
        });
      };
      await measured(
        `${streams} event streams`,
        0,
        async () => {
          if (version === "h2") {
            for (let count = 0; count < streams / 250; count++) {
              sessions.push(await openHttp2(endpoint, `${host}:443`, ca));
            }
            for (let count = 0; count < streams; count++) {
              const stream = sessions[count % sessions.length]!.request({ ":path": "/" });
              listen(stream);
            }
          } else {
            for (let count = 0; count < streams; count++) {
              const wire = await openTls(endpoint, `${host}:443`, { ca });
              clients.push(wire);
              wire.socket.removeAllListeners("data");
              listen(wire.socket);
              wire.send(requestHead("GET /", `Host: ${host}`));
            }
          }
          await Promise.all([allOpen.promise, ...heard]);
          for (round = 1; round <= 20; round++) {
            missing = streams;
            complete = Promise.withResolvers();
            open.forEach((stream) => stream.write(`data: ${round};\n\n`));
            await complete.promise;
          }
        },
        streams * perConnection,
      );
      clients.forEach(({ socket }) => socket.destroy());
      sessions.forEach((session) => session.destroy());
    }).timeout(0);

    it(`carries ${requests} requests over one connection of ${version}, and keeps nothing of them`, async () => {
      if (version === "h2") {
        const session = await openHttp2(endpoint, `${host}:443`, ca);
        const some = async (count: number) => {
          for (let left = count; left > 0; left -= 50) {
            const answers = await Promise.all(Array.from({ length: 50 }, () => ask(session, {})));
            assert.ok(answers.every(({ status, body }) => status === 200 && body === '{"ok":true}'));
            h2.received.length = 0;
          }
        };
        await measuredRequests(some);
        session.destroy();
        return;
      }
      const wire = await openTls(endpoint, `${host}:443`, { ca });
      const some = async (count: number) => {
        for (let left = count; left > 0; left--) {
          wire.send(requestHead("GET /", `Host: ${host}`));
          assert.equal((await wire.answer()).body, '{"ok":true}');
          world.upstream.received.length = 0;
        }
      };
      await measuredRequests(some);
      wire.socket.destroy();
    }).timeout(0);
  }

  async function measuredRequests(some: (count: number) => Promise<void>): Promise<void> {
    await some(firstRequests);
    const before = await liveBytes(gateway);
    await measured(`${requests} requests`, 0, () => some(requests), 2 * allowedGrowth);
    const left = (await liveBytes(gateway)) - before;
    console.log(`      live in its heap: ${(before / megabyte).toFixed(1)} MB, then ${left} bytes more`);
    assert.ok(left < requests * perRequest, `${left} bytes are kept`);
  }

  /** A connection of HTTP/2 whose windows are wide enough for one fast transfer. */
  async function openFast(host: string): Promise<ClientHttp2Session> {
    const session = await openHttp2(endpoint, `${host}:443`, ca);
    session.settings({ initialWindowSize: megabyte });
    session.setLocalWindowSize(16 * megabyte);
    return session;
  }

  /** One request on a connection of its own. */
  async function open(
    version: "http/1.1" | "h2",
    host: string,
    method: string,
    path: string,
    length: number,
  ) {
    if (version === "h2") {
      const session = await openFast(host);
      const stream = session.request({ ":method": method, ":path": path }, { endStream: length === 0 });
      return {
        request: stream as Writable,
        answer: stream as Readable,
        text: async () => {
          stream.end();
          let text = "";
          stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
          await once(stream, "close");
          return text;
        },
        close: () => session.destroy(),
      };
    }
    const socket = await openTlsSocket(endpoint, `${host}:443`, { ca });
    socket.write(
      requestHead(`${method} ${path}`, `Host: ${host}`, ...(length > 0 ? [`Content-Length: ${length}`] : [])),
    );
    if (length === 0) {
      // What is behind the head of the answer goes back to its reader.
      let head = Buffer.alloc(0);
      while (!head.includes("\r\n\r\n")) {
        const [chunk] = (await once(socket, "data")) as [Buffer];
        head = Buffer.concat([head, chunk]);
        socket.pause();
      }
      socket.unshift(head.subarray(head.indexOf("\r\n\r\n") + 4));
    }
    return {
      request: socket as Writable,
      answer: socket as Readable,
      text: async () => {
        let text = "";
        while (!text.includes("}")) {
          const [chunk] = (await once(socket, "data")) as [Buffer];
          text += chunk.toString("latin1");
        }
        return text;
      },
      close: () => socket.destroy(),
    };
  }
});

/** Writes bytes that differ from block to block. */
async function send(to: Writable, bytes: number, end = true): Promise<Transfer> {
  const block = Buffer.alloc(megabyte, "bytes of a body");
  let crc = 0;
  for (let left = bytes; left > 0; left -= block.length) {
    // A block that was handed over is not touched any more.
    const part = Buffer.from(block.subarray(0, Math.min(left, block.length)));
    part.writeDoubleBE(left);
    crc = crc32(part, crc);
    if (!to.write(part)) {
      await once(to, "drain");
    }
  }
  if (end) {
    to.end();
  }
  return { bytes, crc };
}

/** Reads so many bytes, or to the end. */
function receive(from: Readable, wanted: number): Promise<Transfer> {
  return new Promise((resolve) => {
    let bytes = 0;
    let crc = 0;
    from.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      crc = crc32(chunk, crc);
      if (bytes >= wanted) {
        resolve({ bytes, crc });
      }
    });
    from.resume().once("end", () => resolve({ bytes, crc }));
  });
}
