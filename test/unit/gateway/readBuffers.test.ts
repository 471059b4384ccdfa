import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import fc from "fast-check";
import { parseAuthority } from "../../../src/core/hostname.ts";
import { type Lease, ReadBuffers, type Release, takeBytes } from "../../../src/gateway/readBuffers.ts";
import { openTls, secured, Trust } from "../../../src/gateway/tlsConnection.ts";
import { TestAuthority } from "../../support/certificates.ts";

const recordSize = 16 * 1024;

describe("buffers that are used again", () => {
  interface Lent {
    readonly lease: Lease;
    readonly expected: Buffer;
    readonly held: Release[];
    readonly released: Release[];
  }

  const steps = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant("lend"), length: fc.integer({ min: 1, max: recordSize }) }),
      fc.record({ kind: fc.constantFrom("hold", "release", "release again"), at: fc.nat(), which: fc.nat() }),
    ),
    { maxLength: 200, size: "max" },
  );

  it("hold what was put into them until everyone has released it, however often each does", () => {
    fc.assert(
      fc.property(steps, (steps) => {
        const buffers = new ReadBuffers(recordSize);
        const lent: Lent[] = [];
        const inUse = () => lent.filter(({ held }) => held.length > 0);
        const seen = new Set<unknown>();
        let most = 0;
        for (const [index, step] of steps.entries()) {
          if ("length" in step) {
            const expected = Buffer.alloc(step.length, index + 1);
            const lease = buffers.lend(expected);
            lent.push({ lease, expected, held: [lease.release], released: [] });
            seen.add(lease.bytes.buffer);
            most = Math.max(most, inUse().length);
          } else if (step.kind === "release again") {
            const { released } = lent[step.at % lent.length] ?? { released: [] };
            released[step.which % released.length]?.();
          } else {
            const { lease, held, released } = inUse()[step.at % inUse().length] ?? {};
            if (step.kind === "hold" && lease !== undefined) {
              held!.push(lease.hold());
            } else if (lease !== undefined) {
              const [release] = held!.splice(step.which % held!.length, 1);
              release!();
              released!.push(release!);
            }
          }
          for (const { lease, expected } of inUse()) {
            assert.ok(lease.bytes.equals(expected));
          }
        }
        assert.equal(seen.size, most, "no buffer is made while one is free");
      }),
    );
  });
});

describe("a TLS connection that reads into buffers which are used again", () => {
  let server: Server;
  let trust: Trust;
  let socket: TLSSocket;
  let peer: TLSSocket;

  before(async () => {
    const authority = await TestAuthority.create();
    trust = new Trust([authority.certificate]);
    server = createServer(await authority.issue({ names: ["127.0.0.1"] }));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  after(() => server.close());
  beforeEach(async () => ({ socket, peer } = await open()));
  afterEach(() => {
    socket.destroy();
    peer.destroy();
  });

  async function open(): Promise<{ socket: TLSSocket; peer: TLSSocket }> {
    const { port } = server.address() as AddressInfo;
    const arrived = once(server, "secureConnection");
    const socket = await secured(openTls(parseAuthority(`127.0.0.1:${port}`, 443), [], trust));
    const [peer] = (await arrived) as [TLSSocket];
    peer.on("error", () => undefined);
    return { socket, peer };
  }

  /** Bytes of a long text, each part of which is different from the others. */
  function text(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at + 4 <= length; at += 4) {
      bytes.writeUInt32BE(Math.imul(at, 2654435761) >>> 0, at);
    }
    return bytes;
  }

  it("takes few buffers for many records, and leaves each alone until it is released", async () => {
    const sent = text(32 * 1024 * 1024);
    const used = new Set<unknown>();
    let records = 0;
    let at = 0;
    let intact = true;
    const whole = new Promise<void>((resolve) => {
      takeBytes(socket, (bytes, lease) => {
        const expected = sent.subarray(at, (at += bytes.length));
        records++;
        if (lease !== undefined) {
          used.add(bytes.buffer);
        }
        const release = lease?.hold();
        setImmediate(() => {
          intact &&= bytes.equals(expected);
          release?.();
          if (at === sent.length) {
            resolve();
          }
        });
      });
    });
    peer.write(sent);
    await whole;
    assert.ok(intact);
    assert.ok(used.size > 0 && used.size <= records / 4, `${used.size} buffers for ${records} records`);
  });

  it("lends none for what is small, which is the taker's own", async () => {
    const others = await open();
    const taken: Buffer[] = [];
    const leases = new Set<Lease | undefined>();
    const takeOne = (from: TLSSocket) =>
      new Promise<void>((resolve) =>
        takeBytes(from, (bytes, lease) => {
          taken.push(bytes);
          leases.add(lease);
          resolve();
        }),
      );
    for (const [from, to, letter] of [
      [peer, socket, "a"],
      [others.peer, others.socket, "b"],
    ] as const) {
      const one = takeOne(to);
      from.write(letter.repeat(8 * 1024));
      await one;
    }
    assert.deepEqual(
      taken.map((bytes) => bytes.toString()),
      ["a".repeat(8 * 1024), "b".repeat(8 * 1024)],
    );
    assert.deepEqual([...leases], [undefined]);
    others.socket.destroy();
  });

  it("is a stream like any other until somebody takes its bytes, and loses none then", async () => {
    const sent = text(1024 * 1024);
    peer.write(sent);
    await once(socket, "readable");
    const parts: Buffer[] = [socket.read(1000) as Buffer];
    let length = 1000;
    await new Promise<void>((resolve) => {
      takeBytes(socket, (bytes) => {
        parts.push(Buffer.from(bytes));
        length += bytes.length;
        if (length === sent.length) {
          resolve();
        }
      });
      // A "readable" event has been listened for, which holds a stream back.
      socket.resume();
    });
    assert.ok(Buffer.concat(parts).equals(sent));
  });

  it("stops reading while it is paused, and ends when the other side has", async () => {
    const sent = text(64 * 1024 * 1024);
    let length = 0;
    takeBytes(socket, (bytes) => {
      length += bytes.length;
      socket.pause();
    });
    peer.end(sent);
    const ended = once(socket, "end");
    let pauses = 0;
    for (let seen = 0; seen < sent.length;) {
      if (length === seen) {
        await new Promise(setImmediate);
        continue;
      }
      assert.ok(length - seen <= 1024 * 1024, `${length - seen} bytes came while it was paused`);
      seen = length;
      pauses++;
      socket.resume();
    }
    assert.ok(pauses > 64);
    await ended;
  });
});
