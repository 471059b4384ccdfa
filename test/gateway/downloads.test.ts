// Answers of upstreams that are dialled straight are read into memory that is used again: no byte of one may ever be
// written over before its client has it.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type RequestListener, type Server } from "node:http";
import { type AddressInfo, type Socket } from "node:net";
import { type ClientHttp2Session } from "node:http2";
import { type Readable } from "node:stream";
import { type Fixture, mappingsOf, startFixture } from "../support/gatewayFixture.ts";
import { openHttp2 } from "../support/http2.ts";
import { RawServer } from "../support/upstreamServer.ts";
import { assertRefusal, connectTo, openTlsSocket, requestHead } from "../support/wire.ts";

const reference = "op://API Keys/OpenAI/api-key";
/** Bytes of an answer. */
const size = 6 * 1024 * 1024;

describe("downloads at the same time", () => {
  let fixture: Fixture;
  let target: string;
  let session: ClientHttp2Session;
  /** Not mapped: what it sends comes through tunnels. */
  let unmapped: Server;

  before(async () => {
    fixture = await startFixture({ mappings: [], parentProxy: undefined });
    target = `127.0.0.1:${fixture.upstream.port}`;
    fixture.gateway.setMappings(mappingsOf([{ hostname: target, reference }]));
    const handler: RequestListener = ({ url = "" }, response) => {
      const [, framing, seed] = url.split("/");
      const body = bodyOf(Number(seed));
      if (framing === "sized") {
        response.setHeader("content-length", body.length);
      }
      const random = randomOf(Number(seed));
      let at = 0;
      const more = () => {
        while (at < body.length) {
          // Records of all sizes, and many chunks in one record.
          const length = 1 + (random() % (random() % 4 === 0 ? 100 : 60_000));
          if (!response.write(body.subarray(at, (at += length)))) {
            response.once("drain", more);
            return;
          }
        }
        response.end();
      };
      more();
    };
    fixture.upstream.handler = handler;
    unmapped = createServer(handler);
    unmapped.listen(0, "127.0.0.1");
    await once(unmapped, "listening");
    session = await openHttp2(fixture.endpoint, target, fixture.pems.certificate);
    session.setLocalWindowSize(1 << 30);
  });
  after(async () => {
    session.destroy();
    unmapped.close();
    await fixture.stop();
  });

  const ways = ["HTTP/1.1", "HTTP/2", "a tunnel"] as const;

  async function get(way: (typeof ways)[number], path: string): Promise<Readable> {
    if (way === "HTTP/2") {
      const stream = session.request({ ":path": path });
      stream.on("error", () => undefined);
      await once(stream, "response");
      return stream;
    }
    const socket =
      way === "a tunnel"
        ? await openTunnel()
        : await openTlsSocket(fixture.endpoint, target, { ca: fixture.pems.certificate });
    const asked = request({ path, headers: { host: target }, createConnection: () => socket });
    asked.on("error", () => undefined);
    asked.end();
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    answer.on("error", () => undefined);
    return answer;
  }

  async function openTunnel(): Promise<Socket> {
    const { port } = unmapped.address() as AddressInfo;
    const { wire, answer } = await connectTo(fixture.endpoint, `127.0.0.1:${port}`);
    assert.equal(answer.status, 200);
    wire.socket.removeAllListeners("data");
    return wire.socket;
  }

  for (const way of ways) {
    for (const framing of ["sized", "chunked"]) {
      it(`reach clients of ${way} that stall, stop and leave as they were sent, ${framing} (contracts 12, 14)`, async () => {
        const stalled = await Promise.all([1, 2, 3].map((seed) => get(way, `/${framing}/${seed}`)));
        for (let round = 0; round < 3; round++) {
          const seeds = [0, 1, 2, 3].map((index) => 10 * (round + 1) + index);
          const leaving = await get(way, `/${framing}/99`);
          const answers = await Promise.all(seeds.map((seed) => get(way, `/${framing}/${seed}`)));
          const [, ...hashes] = await Promise.all([
            readPart(leaving, size / 3),
            ...answers.map((answer, index) => hashOf(answer, seeds[index])),
          ]);
          assert.deepEqual(hashes, seeds.map(expectedHash));
        }
        const hashes = await Promise.all(stalled.map((answer) => hashOf(answer)));
        assert.deepEqual(hashes, [1, 2, 3].map(expectedHash));
      }).timeout(60_000);
    }
  }

  it("do not come from a port of this machine that is closed to the proxy, which hears nothing", async () => {
    const raw = await RawServer.start();
    fixture.gateway.closePort(raw.port);
    const hostname = `127.0.0.1:${raw.port}`;
    fixture.gateway.setMappings(mappingsOf([hostname, target].map((hostname) => ({ hostname, reference }))));
    const wire = await fixture.open(hostname);
    wire.send(requestHead("GET /", `Host: ${hostname}`));
    assert.match(assertRefusal(await wire.answer(), 502, "upstream-unreachable"), /is not for the proxy/);
    assert.equal(await (await raw.next()).rest(), "");
    wire.socket.destroy();
    await raw.close();
  });
});

/** The same numbers for the same seed (xorshift). */
function randomOf(seed: number): () => number {
  let state = Math.imul(seed + 1, 2654435761) >>> 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>>= 0);
  };
}

function bodyOf(seed: number): Buffer {
  const random = randomOf(seed);
  return Buffer.from(Uint32Array.from({ length: size / 4 }, random).buffer);
}

function expectedHash(seed: number): string {
  return createHash("sha256").update(bodyOf(seed)).digest("hex");
}

/** Reads to the end. @param pauses stops now and then, at places that follow from this number */
async function hashOf(answer: Readable, pauses?: number): Promise<string> {
  const hash = createHash("sha256");
  const random = randomOf(pauses ?? 0);
  answer.on("data", (chunk: Buffer) => {
    hash.update(chunk);
    if (pauses !== undefined && random() % 8 === 0) {
      answer.pause();
      let turns = random() % 20;
      const wait = () => (turns-- > 0 ? void setImmediate(wait) : void answer.resume());
      wait();
    }
  });
  await once(answer, "end");
  return hash.digest("hex");
}

/** Leaves in the middle. */
async function readPart(answer: Readable, length: number): Promise<void> {
  let left = length;
  const closed = new Promise((resolve) => answer.once("close", resolve));
  answer.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) {
      answer.destroy();
    }
  });
  await closed;
}
