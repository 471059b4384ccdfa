// The way up on a connection of the request's own, for what a shared one cannot carry: WebSockets by HTTP/1.1, and
// fields behind a request's body.
import { type IncomingMessage, request as httpRequest } from "node:http";
import { type Socket } from "node:net";
import { OneCliError } from "../core/errors.ts";
import { fieldValues, pairs, withoutFields } from "../core/headers.ts";
import { maxHeaderBytes } from "./requestParsing.ts";
import { type AnswerHandler, type UpstreamRequest } from "./upstreamRequest.ts";
import { acceptOf } from "./webSockets.ts";

/** Whether HTTP/1.1 can carry it only on a connection of its own. */
export function needsOwnConnection({ webSocketKey, body }: UpstreamRequest): boolean {
  return webSocketKey !== undefined || body?.announcesTrailers === true;
}

/**
 * @param open opens the connection, which speaks HTTP/1.1
 * @param onRefused called instead of the handler where no connection could be opened
 */
export function dispatchAlone(
  open: (signal: AbortSignal) => Promise<Socket>,
  request: UpstreamRequest,
  handler: AnswerHandler,
  onRefused = (error: Error) => handler.onError(error),
): void {
  const gone = new AbortController();
  handler.onStart(() => gone.abort(new Error("the client left")));
  open(gone.signal).then(
    (socket) => {
      if (gone.signal.aborted) {
        socket.destroy();
      } else {
        send(socket, gone.signal, request, handler);
      }
    },
    (error: unknown) => {
      if (!gone.signal.aborted) {
        onRefused(error as Error);
      }
    },
  );
}

function send(socket: Socket, gone: AbortSignal, request: UpstreamRequest, handler: AnswerHandler): void {
  const { method, path, host, body, webSocketKey } = request;
  let over = false;
  const finish = (tell: () => void) => {
    if (!over) {
      over = true;
      tell();
    }
  };
  const headers = ["Host", host, ...request.headers];
  if (webSocketKey !== undefined) {
    headers.push("Connection", "Upgrade", "Upgrade", "websocket");
    if (webSocketKey !== "") {
      headers.push("Sec-WebSocket-Key", webSocketKey);
    }
  }
  const outgoing = httpRequest({
    method,
    path,
    headers,
    createConnection: () => socket,
    maxHeaderSize: maxHeaderBytes,
  });
  gone.addEventListener("abort", () => {
    over = true;
    outgoing.destroy();
    socket.destroy();
  });
  outgoing.once("upgrade", (answer: IncomingMessage, upgraded: Socket, head: Buffer) => {
    const [accept] = fieldValues(answer.rawHeaders, "sec-websocket-accept");
    if (webSocketKey !== undefined && accept === acceptOf(webSocketKey)) {
      upgraded.unshift(head);
      const headers = withoutFields(answer.rawHeaders, new Set(["sec-websocket-accept"]));
      finish(() => handler.onSwitch(headers, upgraded));
    } else {
      upgraded.destroy();
      const message = `${host} switched to another protocol than it was asked for.`;
      finish(() => handler.onError(new OneCliError("upstream-unreachable", message)));
    }
  });
  outgoing.once("response", (answer) => {
    const { statusCode = 0, statusMessage = "", rawHeaders } = answer;
    const resume = () => answer.resume();
    if (!handler.onHead(statusCode, statusMessage, rawHeaders, resume)) {
      answer.pause();
    }
    answer.on("data", (chunk: Buffer) => {
      if (!over && !handler.onData(chunk)) {
        answer.pause();
      }
    });
    answer.once("end", () => {
      finish(() => handler.onEnd(answer.rawTrailers));
      socket.destroy();
    });
    answer.on("error", () => undefined);
    answer.once("close", () => finish(() => handler.onError(new Error("the answer was cut off"))));
  });
  outgoing.on("error", (error) => finish(() => handler.onError(error)));
  if (body === null) {
    outgoing.end();
    return;
  }
  body.on("data", (chunk: Buffer) => {
    if (!outgoing.write(chunk)) {
      body.pause();
    }
  });
  outgoing.on("drain", () => body.resume());
  body.on("end", () => {
    outgoing.addTrailers(pairs(body.trailers));
    outgoing.end();
  });
  body.on("error", () => undefined);
  outgoing.once("close", () => body.destroy());
}
