// HTTP/2 frame by frame (RFC 9113 §4, §6), for peers that say what no library would.
import { type WireReader } from "./wire.ts";

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

/** RFC 9113 §7 */
export const errorCode = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;

export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, stream: number, payload: Buffer | string = ""): Buffer {
  const bytes = Buffer.from(payload as string);
  const head = Buffer.alloc(9);
  head.writeUIntBE(bytes.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, bytes]);
}

export function settings(...entries: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = entries.map(([id, value]) => {
    const entry = Buffer.alloc(6);
    entry.writeUInt16BE(id, 0);
    entry.writeUInt32BE(value, 2);
    return entry;
  });
  return frame(frameType.settings, 0, 0, Buffer.concat(payload));
}

export const settingsAck = frame(frameType.settings, flag.ack, 0);

export type Fields = readonly (readonly [name: string, value: string])[];

/** A field block of literals that touch no table (RFC 7541 §6.2.2), so that any can be sent twice, or apart. */
export function fieldBlock(fields: Fields): Buffer {
  const literal = (text: string) => {
    const bytes = Buffer.from(text, "latin1");
    return Buffer.concat([prefixedInteger(bytes.length), bytes]);
  };
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
}

/** RFC 7541 §5.1, with a prefix of seven bits. */
function prefixedInteger(value: number): Buffer {
  if (value < 127) {
    return Buffer.from([value]);
  }
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) {
    bytes.push((rest % 128) + 128);
  }
  return Buffer.from([...bytes, rest]);
}

export function headers(stream: number, fields: Fields, { endStream = true } = {}): Buffer {
  const flags = flag.endHeaders | (endStream ? flag.endStream : 0);
  return frame(frameType.headers, flags, stream, fieldBlock(fields));
}

export function data(stream: number, body: Buffer | string, { endStream = false } = {}): Buffer {
  return frame(frameType.data, endStream ? flag.endStream : 0, stream, body);
}

export function rstStream(stream: number, code: number): Buffer {
  return frame(frameType.rstStream, 0, stream, uint32(code));
}

export function windowUpdate(stream: number, increment: number): Buffer {
  return frame(frameType.windowUpdate, 0, stream, uint32(increment));
}

export function goaway(lastStream: number, code: number): Buffer {
  return frame(frameType.goaway, 0, 0, Buffer.concat([uint32(lastStream), uint32(code)]));
}

export function ping(text = "12345678"): Buffer {
  return frame(frameType.ping, 0, 0, text);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** The fields of a GET, or of another request. */
export function requestFields(
  host: string,
  { method = "GET", path = "/" } = {},
  ...more: Fields
): [name: string, value: string][] {
  return [
    [":method", method],
    [":scheme", "https"],
    [":authority", host],
    [":path", path],
    ...more.map(([name, value]): [string, string] => [name, value]),
  ];
}

/** What became of a stream, or of the connection. */
export type Outcome =
  | { readonly kind: "answer"; readonly stream: number; readonly status: number }
  | { readonly kind: "reset"; readonly stream: number; readonly code: number }
  /** A GOAWAY, and the end of the connection. */
  | { readonly kind: "goaway"; readonly code: number }
  | { readonly kind: "closed" };

/** One end of a connection. */
export class FrameConnection {
  readonly wire: WireReader;

  constructor(wire: WireReader) {
    this.wire = wire;
    wire.socket.on("error", () => undefined);
  }

  send(...frames: readonly Buffer[]): void {
    if (this.wire.socket.writable) {
      this.wire.socket.write(Buffer.concat(frames));
    }
  }

  /** Sends, and waits until the other side has room for more. @returns false where it is gone. */
  async sendSlowly(...frames: readonly Buffer[]): Promise<boolean> {
    const { socket } = this.wire;
    if (!socket.writable) {
      return false;
    }
    if (!socket.write(Buffer.concat(frames))) {
      await new Promise<void>((resolve) => {
        const go = () => {
          socket.off("drain", go).off("close", go);
          resolve();
        };
        socket.on("drain", go).on("close", go);
      });
    }
    return socket.writable;
  }

  /** @returns undefined at the connection's end. */
  async next(): Promise<Frame | undefined> {
    try {
      const head = await this.wire.bytes(9);
      const payload = await this.wire.bytes(head.readUIntBE(0, 3));
      const stream = head.readUInt32BE(5) & 0x7fff_ffff;
      return { type: head.readUInt8(3), flags: head.readUInt8(4), stream, payload };
    } catch {
      return undefined;
    }
  }

  /** The next frame of a type, on a stream if one is named; what comes before it is dropped. */
  async until(type: number, stream?: number, flags = 0): Promise<Frame> {
    for (;;) {
      const received = await this.next();
      if (received === undefined) {
        throw new Error(`the connection ended before a frame of type ${type}`);
      }
      if (
        received.type === type &&
        (stream ?? received.stream) === received.stream &&
        (received.flags & flags) === flags
      ) {
        return received;
      }
    }
  }

  /** The next answer, reset or end. */
  async outcome(): Promise<Outcome> {
    for (;;) {
      const received = await this.next();
      if (received === undefined) {
        return { kind: "closed" };
      }
      const { type, stream, payload } = received;
      if (type === frameType.headers) {
        return { kind: "answer", stream, status: statusOf(payload) };
      }
      if (type === frameType.rstStream) {
        return { kind: "reset", stream, code: payload.readUInt32BE(0) };
      }
      if (type === frameType.goaway) {
        await this.wire.closed();
        return { kind: "goaway", code: payload.readUInt32BE(4) };
      }
    }
  }

  destroy(): void {
    this.wire.socket.destroy();
  }
}

const indexedStatus = [200, 204, 206, 304, 400, 404, 500];

/** The status at the front of an answer's field block, however it is written (RFC 7541 §6, appendices A and B). */
export function statusOf(block: Buffer): number {
  let at = 0;
  while ((block[at]! & 0xe0) === 0x20) {
    at += (block[at]! & 0x1f) === 0x1f ? 1 + block.subarray(at + 1).findIndex((byte) => byte < 128) + 1 : 1;
  }
  const first = block[at]!;
  if (first >= 0x88 && first <= 0x8e) {
    return indexedStatus[first - 0x88]!;
  }
  const length = block[at + 1]! & 0x7f;
  const value = block.subarray(at + 2, at + 2 + length);
  if ((block[at + 1]! & 0x80) === 0) {
    return Number(value.toString());
  }
  let bits = [...value].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  let digits = "";
  for (; digits.length < 3; bits = bits.slice(digits.at(-1)! < "3" ? 5 : 6)) {
    const short = Number.parseInt(bits.slice(0, 5), 2);
    digits += String(short < 3 ? short : Number.parseInt(bits.slice(0, 6), 2) - 0x19 + 3);
  }
  return Number(digits);
}
