import { type Socket } from "node:net";
import { acceptOf } from "./webSockets.ts";

const maxPayload = 64 * 1024;
const opcodes = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/**
 * Accepts a WebSocket handshake and sends every message back. Fragments and extensions are not for a probe: what is not
 * a whole frame of at most 64 KB ends the connection.
 * @param greets sends one message and closes, for clients that cannot send.
 */
export function echoWebSocket(
  key: string | string[] | undefined,
  socket: Socket,
  head: Buffer,
  greets: boolean,
): void {
  if (typeof key !== "string") {
    socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    return;
  }
  const fields = ["Upgrade: websocket", "Connection: Upgrade", `Sec-WebSocket-Accept: ${acceptOf(key)}`];
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields.join("\r\n")}\r\n\r\n`);
  if (greets) {
    socket.write(frame(opcodes.text, Buffer.from("greeting")));
    socket.end(frame(opcodes.close, Buffer.from([0x03, 0xe8])));
  }
  let pending = head;
  const take = (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (let next = readFrame(pending); next !== undefined; next = readFrame(pending)) {
      if (next === "unfit") {
        socket.destroy();
        return;
      }
      pending = pending.subarray(next.length);
      answer(socket, next);
    }
  };
  socket.on("data", take);
  take(Buffer.alloc(0));
}

function answer(socket: Socket, { opcode, payload }: Frame): void {
  if (!socket.writable) {
    return;
  }
  if (opcode === opcodes.close) {
    socket.end(frame(opcodes.close, payload.subarray(0, 2)));
  } else if (opcode === opcodes.ping) {
    socket.write(frame(opcodes.pong, payload));
  } else if (opcode === opcodes.text || opcode === opcodes.binary) {
    socket.write(frame(opcode, payload));
  }
}

interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
  /** Bytes of the whole frame. */
  readonly length: number;
}

/** The first frame of a client's bytes (RFC 6455 §5.2), undefined where it is not complete. */
function readFrame(bytes: Buffer): Frame | "unfit" | undefined {
  if (bytes.length < 2) {
    return undefined;
  }
  const [first = 0, second = 0] = bytes;
  const short = second & 0x7f;
  if ((first & 0x80) === 0 || (second & 0x80) === 0 || short === 127) {
    return "unfit";
  }
  const maskAt = short === 126 ? 4 : 2;
  if (bytes.length < maskAt) {
    return undefined;
  }
  const size = short === 126 ? bytes.readUInt16BE(2) : short;
  const length = maskAt + 4 + size;
  if (size > maxPayload) {
    return "unfit";
  }
  if (bytes.length < length) {
    return undefined;
  }
  const mask = bytes.subarray(maskAt, maskAt + 4);
  const payload = Buffer.from(bytes.subarray(maskAt + 4, length));
  for (let index = 0; index < payload.length; index++) {
    payload[index] = (payload[index] ?? 0) ^ (mask[index % 4] ?? 0);
  }
  return { opcode: first & 0x0f, payload, length };
}

function frame(opcode: number, payload: Buffer): Buffer {
  const head = payload.length < 126 ? [payload.length] : [126, payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([Buffer.from([0x80 | opcode, ...head]), payload]);
}
