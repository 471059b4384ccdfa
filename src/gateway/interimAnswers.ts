import { type Socket } from "node:net";
import { maxHeaderBytes } from "./requestParsing.ts";

const start = Buffer.from("HTTP/1.1 1");
const statusEnd = "HTTP/1.1 1xx".length;
const end = Buffer.from("\r\n\r\n");

/**
 * Hides interim answers (1xx but 101) from undici, which takes a `100 Continue` it did not ask for as a broken answer;
 * RFC 9110 §15.2 wants a client to bear with it. Only the place where an answer's head must begin is looked at: right
 * after a request's head was written.
 */
export function hideInterimAnswers(socket: Socket): void {
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
    while (mayBeInterim(chunk)) {
      const headEnd = chunk.indexOf(end);
      if (headEnd === -1 && chunk.length <= maxHeaderBytes) {
        held = chunk;
        return null;
      }
      if (headEnd === -1) {
        break;
      }
      chunk = chunk.subarray(headEnd + end.length);
      if (chunk.length === 0) {
        return null;
      }
    }
    atHead = false;
    return chunk;
  };
}

/** Whether an interim answer begins here, as far as can be told from what has come. */
function mayBeInterim(chunk: Buffer): boolean {
  const compared = Math.min(chunk.length, start.length);
  return (
    chunk.compare(start, 0, compared, 0, compared) === 0 && chunk.toString("latin1", 9, statusEnd) !== "101"
  );
}
