// How the gateway itself answers, on a ServerResponse and on a bare socket.
import { type ServerResponse, STATUS_CODES } from "node:http";
import { type Socket } from "node:net";
import { type ErrorAnswer, errorAnswer, type OneCliError } from "../core/errors.ts";
import { type RawHeaders } from "../core/headers.ts";

/** Answers with the error as JSON; what the client still uploads is read and dropped by the server. */
export function sendError(response: ServerResponse, error: OneCliError): void {
  sendAnswer(response, errorAnswer(error));
}

export function sendAnswer(response: ServerResponse, { status, headers, body }: ErrorAnswer): void {
  response.req.resume();
  response.writeHead(status, [...headers, "content-length", String(Buffer.byteLength(body))]);
  response.end(body);
}

/** The error as a whole HTTP/1.1 message that ends its connection. */
function errorMessage(error: OneCliError, extraHeaders: readonly string[] = []): Buffer {
  const { status, headers, body } = errorAnswer(error);
  const fields = [...headers, ...extraHeaders];
  fields.push("content-length", String(Buffer.byteLength(body)), "connection", "close");
  return Buffer.concat([
    headBytes(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`, fields),
    Buffer.from(body),
  ]);
}

/** The head of a message; its fields come from a parser, or from us. */
export function headBytes(startLine: string, fields: RawHeaders): Buffer {
  let head = `${startLine}\r\n`;
  for (let index = 0; index < fields.length; index += 2) {
    head += `${fields[index] ?? ""}: ${fields[index + 1] ?? ""}\r\n`;
  }
  return Buffer.from(`${head}\r\n`, "latin1");
}

/** How long a client may take to read the answer on a connection that is over. */
const closeTimeout = 2_000;

const lingering = new WeakSet<Socket>();

/** Sends the error, unless an answer is on its way already, and closes. */
export function closeWithError(socket: Socket, error: OneCliError, extraHeaders?: readonly string[]): void {
  if (socket.writable) {
    socket.on("error", () => undefined);
    socket.end(errorMessage(error, extraHeaders));
  }
  lingerThenDestroy(socket);
}

/** Closes a socket that was ended; reads on meanwhile, because unread bytes would turn the close into a reset. */
export function lingerThenDestroy(socket: Socket): void {
  if (lingering.has(socket)) {
    return;
  }
  lingering.add(socket);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), closeTimeout).unref();
  socket.once("close", () => clearTimeout(timer));
}
