import { type Socket } from "node:net";

const start = Buffer.from("HTTP/1.1 100");
const end = Buffer.from("\r\n\r\n");

/**
 * Hides `100 Continue` answers from undici, which takes one it did not ask for as a broken answer; RFC 9110 §15.2
 * wants a client to bear with it. Only the place where an answer's head must begin is looked at: right after a
 * request's head was written.
 */
export function hideContinueAnswers(socket: Socket): void {
  const read = socket.read.bind(socket) as (size?: number) => Buffer | null;
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  let atHead = false;
  let held: Buffer | undefined;

  socket.write = (...args: unknown[]) => {
    if (typeof args[0] === "string" && args[0].includes(" HTTP/1.1\r\n")) {
      atHead = true;
    }
    return write(...args);
  };

  socket.read = (size?: number): Buffer | null => {
    let chunk = read(size);
    if (!atHead || chunk === null) {
      return chunk;
    }
    if (held !== undefined) {
      chunk = Buffer.concat([held, chunk]);
      held = undefined;
    }
    for (;;) {
      const compared = Math.min(chunk.length, start.length);
      if (chunk.compare(start, 0, compared, 0, compared) !== 0) {
        atHead = false;
        return chunk;
      }
      const headEnd = chunk.indexOf(end);
      if (headEnd === -1) {
        held = chunk;
        return null;
      }
      chunk = chunk.subarray(headEnd + end.length);
      if (chunk.length === 0) {
        return null;
      }
    }
  };
}
