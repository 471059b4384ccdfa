// Heads of requests of HTTP/1.1, as a client sends them.
import { METHODS } from "node:http";
import { listElements, type RawHeaders } from "../core/headers.ts";
import { bodyFraming, keepsConnection, MalformedMessage } from "./http1Message.ts";

export interface Http1RequestHead {
  readonly method: string;
  /** A path with its query, a URL, `host:port` or `*`. */
  readonly target: string;
  readonly isHttp11: boolean;
  readonly headers: RawHeaders;
  /** Bytes of its body, or that it comes in chunks. */
  readonly framing: number | "chunked";
  /** Whether the client wants to go on with this connection. */
  readonly keepAlive: boolean;
}

const methods = new Set(METHODS);
const requestLine = /^([A-Z-]+) ([\x21-\x7e]+) HTTP\/1\.([01])$/;
/** A path, a URL or `*`. In what names a host, some take a backslash for a slash. */
const targetForm = /^(?:\/.*|[a-z][a-z\d+.-]*:\/\/[^/?#\\]+(?:[/?#].*)?|\*)$/i;

/** @throws MalformedMessage */
export function http1Request(line: string, headers: RawHeaders): Http1RequestHead {
  const [, method = "", target = "", minor] = requestLine.exec(line) ?? [];
  if (minor === undefined || !methods.has(method)) {
    throw new MalformedMessage("does not begin with a request line of HTTP/1.1");
  }
  // CONNECT, whose target is another, is answered whatever that is.
  if (method !== "CONNECT" && !targetForm.test(target)) {
    throw new MalformedMessage("has a target that is neither a path nor a URL");
  }
  const isHttp11 = minor === "1";
  const framing = bodyFraming(isHttp11, headers) ?? 0;
  return {
    method,
    target,
    isHttp11,
    headers,
    framing: typeof framing === "number" ? framing : framingOf(framing),
    keepAlive: keepsConnection(isHttp11, headers),
  };
}

/** A client that speaks another protocol would wait for an answer in vain. @throws MalformedMessage */
export function refuseOtherProtocol(bytes: Buffer): void {
  if (!/^[A-Z-]{1,32}(?: [^]*)?$/.test(bytes.toString("latin1", 0, 64))) {
    throw new MalformedMessage("does not begin with a request line of HTTP/1.1");
  }
}

/** Whether it asks for a WebSocket (RFC 6455 §4.1); an offer of any other protocol is not taken. */
export function asksForWebSocket({ method, isHttp11, framing, headers }: Http1RequestHead): boolean {
  return (
    method === "GET" &&
    isHttp11 &&
    framing === 0 &&
    listElements(headers, "upgrade").includes("websocket") &&
    listElements(headers, "connection").includes("upgrade")
  );
}

/** Whether the client waits for a word before it sends the body (RFC 9110 §10.1.1). */
export function expectsContinue({ isHttp11, framing, headers }: Http1RequestHead): boolean {
  return isHttp11 && framing !== 0 && listElements(headers, "expect").includes("100-continue");
}

/** Where chunked is not the last one, and there once, nobody knows where the body ends. @throws MalformedMessage */
function framingOf(codings: readonly string[]): "chunked" {
  if (codings.indexOf("chunked") !== codings.length - 1) {
    throw new MalformedMessage("has a body without an end, for its last transfer coding is not chunked");
  }
  return "chunked";
}
