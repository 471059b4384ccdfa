// Many streams at once whose readers stall: they cost what flow control allows, and no other stream waits for them.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { type IncomingMessage } from "node:http";
import { type Fixture, startFixture } from "../support/gatewayFixture.ts";
import { ask, Http2UpstreamServer } from "../support/http2.ts";
import { heapInUse } from "../support/resources.ts";
import { openTlsSocket } from "../support/wire.ts";

const h1Host = "api.openai.com";
const h2Host = "h2.example.com";
const megabyte = 1024 * 1024;
const streams = 100;
const bodySize = 2 * megabyte;
const chunk = Buffer.alloc(64 * 1024, 7);

describe("a hundred stalled streams", () => {
  let fixture: Fixture;
  let upstream: Http2UpstreamServer;
  let session: ClientHttp2Session;

  before(async () => {
    fixture = await startFixture({
      mappings: [h1Host, h2Host].map((hostname) => ({ hostname, reference: "op://API Keys/OpenAI/api-key" })),
    });
    upstream = await Http2UpstreamServer.start(fixture.upstreamAuthority, [h2Host]);
    fixture.parent.routes.set(`${h2Host}:443`, upstream.port);
  });
  after(async () => {
    await fixture.stop();
    await upstream.close();
  });
  afterEach(() => session.destroy());

  async function open(host: string): Promise<void> {
    const socket = await openTlsSocket(fixture.endpoint, `${host}:443`, {
      ca: fixture.pems.certificate,
      protocol: "h2",
    });
    session = connect(`https://${host}`, { createConnection: () => socket });
    session.on("error", () => undefined);
    await once(session, "remoteSettings");
    // Its streams are to stall each by itself.
    session.setLocalWindowSize(64 * megabyte);
  }

  for (const host of [h1Host, h2Host]) {
    it(`of downloads from ${host} leave room for others, and end whole (contract 14)`, async () => {
      let sent = 0;
      const send = (
        write: (chunk: Buffer) => boolean,
        end: () => void,
        onDrain: (more: () => void) => void,
      ) => {
        let left = bodySize;
        const more = () => {
          while (left > 0) {
            left -= chunk.length;
            sent += chunk.length;
            if (!write(chunk)) {
              return;
            }
          }
          end();
        };
        onDrain(more);
        more();
      };
      fixture.upstream.handler = ({ url }, response) => {
        if (url === "/quick") {
          response.end("quick");
          return;
        }
        send(
          (part) => response.write(part),
          () => response.end(),
          (more) => response.on("drain", more),
        );
      };
      upstream.handler = ({ stream, headers }) => {
        stream.respond({ ":status": 200 });
        if (headers[":path"] === "/quick") {
          stream.end("quick");
          return;
        }
        send(
          (part) => stream.write(part),
          () => stream.end(),
          (more) => stream.on("drain", more),
        );
      };
      await open(host);
      const start = memoryInUse();
      const stalled = Array.from({ length: streams }, () => session.request({ ":path": "/stalled" }));
      await Promise.all(stalled.map((stream) => once(stream, "response")));
      for (let before = -1; before !== sent;) {
        before = sent;
        for (let count = 0; count < 20; count++) {
          assert.equal((await ask(session, { ":path": "/quick" })).body, "quick");
        }
      }
      const kept = memoryInUse() - start;
      assert.ok(kept < (streams * bodySize) / 2, `${Math.round(kept / megabyte)} MB are kept`);
      const lengths = await Promise.all(stalled.map((stream) => lengthOf(stream)));
      assert.deepEqual(lengths, Array<number>(streams).fill(bodySize));
    }).timeout(60_000);

    it(`of uploads to ${host} leave room for others, and end whole (contract 14)`, async () => {
      const held: (() => void)[] = [];
      let whole = 0;
      const done = Promise.withResolvers<undefined>();
      const hold = (body: IncomingMessage | NodeJS.ReadableStream, answer: () => void) => {
        held.push(() => {
          let length = 0;
          body.on("data", (part: Buffer) => (length += part.length));
          body.on("end", () => {
            assert.equal(length, bodySize);
            answer();
            if (++whole === streams) {
              done.resolve(undefined);
            }
          });
        });
      };
      fixture.upstream.keepBodies = false;
      fixture.upstream.handler = (request, response) => {
        if (request.url === "/quick") {
          request.resume().on("end", () => response.end("quick"));
        } else {
          hold(request, () => response.end());
        }
      };
      upstream.handler = ({ stream, headers }) => {
        if (headers[":path"] === "/quick") {
          stream.respond({ ":status": 200 });
          stream.resume().on("end", () => stream.end("quick"));
        } else {
          hold(stream, () => {
            stream.respond({ ":status": 200 });
            stream.end();
          });
        }
      };
      await open(host);
      const start = memoryInUse();
      let sent = 0;
      const uploads = Array.from({ length: streams }, () => {
        const stream = session.request({ ":method": "POST", ":path": "/stalled" });
        let left = bodySize;
        const more = () => {
          while (left > 0) {
            left -= chunk.length;
            sent += chunk.length;
            if (!stream.write(chunk)) {
              return;
            }
          }
          stream.end();
        };
        stream.on("drain", more);
        more();
        return stream;
      });
      for (let before = -1; before !== sent || held.length < streams;) {
        before = sent;
        for (let count = 0; count < 20; count++) {
          const { body } = await ask(session, { ":method": "POST", ":path": "/quick" }, "x");
          assert.equal(body, "quick");
        }
      }
      const kept = memoryInUse() - start;
      assert.ok(kept < (streams * bodySize) / 2, `${Math.round(kept / megabyte)} MB are kept`);
      held.forEach((read) => read());
      await Promise.all([done.promise, ...uploads.map((stream) => lengthOf(stream))]);
    }).timeout(60_000);
  }
});

async function lengthOf(stream: ClientHttp2Stream): Promise<number> {
  let length = 0;
  stream.on("data", (part: Buffer) => (length += part.length));
  await once(stream, "close");
  return length;
}

/** What is held inside and outside of the heap; what other tests have left to be collected is not. */
function memoryInUse(): number {
  return heapInUse() + process.memoryUsage().external;
}
