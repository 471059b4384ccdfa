import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Fixture, startFixture } from "../support/gatewayFixture.ts";
import { requestHead, type WireReader } from "../support/wire.ts";

const megabyte = 1 << 20;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes in buffers that somebody still holds. */
function memoryInUse(): number {
  collectGarbage();
  // Buffers are released behind the collection's back; the second one waits for that.
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

describe("streaming", () => {
  let fixture: Fixture;
  let wire: WireReader;
  before(async () => (fixture = await startFixture()));
  after(() => fixture.stop());
  beforeEach(async () => {
    fixture.upstream.reset();
    wire = await fixture.open("api.openai.com:443");
  });
  afterEach(() => wire.socket.destroy());

  const host = "Host: api.openai.com";

  it("passes each event before the next is sent (contract 12)", async () => {
    let send: ((text: string) => void) | undefined;
    fixture.upstream.handler = (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      send = (text) => {
        if (text === "") {
          response.end();
        } else {
          response.write(text);
        }
      };
      send("data: 0\n\n");
    };
    wire.send(requestHead("GET /", host));
    const head = await wire.head();
    assert.equal(head.headers["content-type"], "text/event-stream");
    for (let index = 0; index < 50; index++) {
      assert.equal(await wire.until("\n\n\r\n"), `${index < 10 ? 9 : "a"}\r\ndata: ${index}\n\n\r\n`);
      send!(index < 49 ? `data: ${index + 1}\n\n` : "");
    }
    assert.equal(await wire.until("\r\n\r\n"), "0\r\n\r\n");
  });

  it("passes the head at once, without waiting for a body (contract 12)", async () => {
    for (const headers of [{}, { "content-length": "2" }]) {
      let finish: (() => void) | undefined;
      fixture.upstream.handler = (_request, response) => {
        response.writeHead(200, { "x-first": "yes", ...headers }).flushHeaders();
        finish = () => void response.end("ok");
      };
      wire.send(requestHead("GET /", host));
      assert.equal((await wire.head()).headers["x-first"], "yes");
      finish!();
      await wire.until("ok");
      if (!("content-length" in headers)) {
        await wire.until("0\r\n\r\n");
      }
    }
  });

  it("passes each part of an upload before the next is sent, and the answer meanwhile (contract 12)", async () => {
    fixture.upstream.handler = (request, response) => void request.pipe(response);
    wire.send(requestHead("POST /", host, "Transfer-Encoding: chunked"));
    wire.send("2\r\n00\r\n");
    assert.equal((await wire.head()).status, 200);
    for (let index = 0; index < 20; index++) {
      const part = String(index).padStart(2, "0");
      assert.equal(await wire.until(`${part}\r\n`), `2\r\n${part}\r\n`);
      wire.send(index < 19 ? `2\r\n${String(index + 1).padStart(2, "0")}\r\n` : "0\r\n\r\n");
    }
    assert.equal(await wire.until("\r\n\r\n"), "0\r\n\r\n");
  });

  it("stalls the upstream while the client does not read (contract 14)", async () => {
    const total = 64 * megabyte;
    let written = 0;
    fixture.upstream.handler = (_request, response) => {
      const chunk = Buffer.alloc(64 * 1024, 7);
      const write = () => {
        while (written < total && !response.destroyed) {
          written += chunk.length;
          if (!response.write(chunk)) {
            return;
          }
        }
        response.end();
      };
      response.on("drain", write);
      response.setHeader("content-length", total);
      write();
    };
    wire.send(requestHead("GET /", host));
    await wire.head();
    wire.socket.removeAllListeners("data").pause();
    await settled(() => written);
    assert.ok(written < total / 2, `${written} bytes were taken for a client that reads none`);
    const read = readBytes(wire.socket, total - wire.buffered);
    wire.socket.resume();
    await read;
    assert.equal(written, total);
  });

  it("stalls the client while the upstream does not read (contract 14)", async () => {
    const body = randomBytes(64 * megabyte);
    const arrived = fixture.upstream.hold();
    const { socket } = wire;
    wire.send(requestHead("POST /", host, `Content-Length: ${body.length}`));
    let written = 0;
    const sent = (async () => {
      for (let at = 0; at < body.length; at += megabyte) {
        written += megabyte;
        if (!socket.write(body.subarray(at, at + megabyte))) {
          await once(socket, "drain");
        }
      }
    })();
    const request = await arrived;
    await settled(() => written);
    assert.ok(written < body.length / 2, `${written} bytes were taken for an upstream that reads none`);
    const hash = createHash("sha256");
    request.on("data", (chunk: Buffer) => hash.update(chunk));
    await Promise.all([sent, once(request, "end")]);
    assert.equal(hash.digest("hex"), createHash("sha256").update(body).digest("hex"));
  });

  for (const chunked of [false, true]) {
    it(`passes 128 MB both ways, ${chunked ? "chunked" : "with a length"}, whole and in bounded memory (contracts 12, 14)`, async () => {
      const block = randomBytes(megabyte);
      const count = 128;
      fixture.upstream.keepBodies = false;
      fixture.upstream.handler = (request, response) => {
        response.setHeader("content-length", count * megabyte);
        request.pipe(response);
      };
      const { socket } = wire;
      let kept = Number.POSITIVE_INFINITY;
      const start = memoryInUse();
      wire.send(
        requestHead(
          "POST /",
          host,
          chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${count * megabyte}`,
        ),
      );
      const expected = createHash("sha256");
      const sending = (async () => {
        for (let index = 0; index < count; index++) {
          block.writeUInt32BE(index);
          expected.update(block);
          const copy = Buffer.from(block);
          const framed = chunked
            ? Buffer.concat([Buffer.from("100000\r\n"), copy, Buffer.from("\r\n")])
            : copy;
          if (index > count / 2 && index % 16 === 0) {
            kept = Math.min(kept, memoryInUse() - start);
          }
          if (!socket.write(framed)) {
            await once(socket, "drain");
          }
        }
        if (chunked) {
          wire.send("0\r\n\r\n");
        }
      })();
      const head = await wire.head();
      const hash = createHash("sha256");
      const first = await wire.bytes(wire.buffered);
      hash.update(first);
      await readBytes(socket, count * megabyte - first.length, (chunk) => hash.update(chunk));
      await sending;
      assert.equal(head.status, 200);
      assert.equal(hash.digest("hex"), expected.digest("hex"));
      assert.ok(kept < 32 * megabyte, `${Math.round(kept / megabyte)} MB are kept`);
    }).timeout(60_000);
  }

  it("passes a chunked answer of 16 MB whole (contract 12)", async () => {
    const body = randomBytes(16 * megabyte);
    fixture.upstream.handler = (_request, response) => {
      for (let at = 0; at < body.length; at += 99_999) {
        response.write(body.subarray(at, at + 99_999));
      }
      response.end();
    };
    wire.send(requestHead("GET /", host));
    const answer = await wire.answer();
    assert.equal(answer.headers["transfer-encoding"], "chunked");
    assert.ok(Buffer.from(answer.body, "latin1").equals(body));
  });
});

/** Fulfilled when a count has not changed for many turns of the event loop. */
async function settled(count: () => number): Promise<void> {
  let last = -1;
  for (let unchanged = 0; unchanged < 500; unchanged++) {
    if (count() !== last) {
      last = count();
      unchanged = 0;
    }
    await new Promise(setImmediate);
  }
}

/** Reads past the WireReader, so that nothing is kept. */
function readBytes(socket: Socket, wanted: number, take?: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve) => {
    let left = wanted;
    socket.removeAllListeners("data").on("data", (chunk: Buffer) => {
      take?.(chunk);
      left -= chunk.length;
      if (left === 0) {
        resolve();
      }
    });
  });
}
