import { type Duplex } from "node:stream";
import { type OneCliError } from "../core/errors.ts";
import { type RawHeaders } from "../core/headers.ts";
import { type Release } from "./readBuffers.ts";
import { type UploadBody } from "./uploadBody.ts";

/** One request of a client and the way to answer it, whichever version of HTTP it came by. */
export interface Downstream {
  readonly method: string;
  /** As it was sent: a path with its query, a URL, or `*`. */
  readonly target: string;
  /** What the request names as its host: every `Host` and `:authority`. */
  readonly hosts: readonly string[];
  /** The request's fields, HTTP/2's pseudo fields left out and the crumbs of a cookie joined (RFC 9113 §8.2.3). */
  readonly headers: RawHeaders;
  readonly hasBody: boolean;
  /**
   * Given where it asks for a WebSocket (RFC 6455 §4.1, RFC 8441 §4) and may be answered by {@link switchToBytes}: the
   * handshake's key, empty if the client sent none.
   */
  readonly webSocketKey: string | undefined;
  /** Of the answer; 0 before its head was sent. */
  readonly status: number;
  /** Whether the client is gone, or its answer whole. */
  readonly closed: boolean;

  /** The request's body on its way up. */
  openBody(): UploadBody;
  /** @param headers without hop-by-hop fields */
  sendHead(status: number, reason: string, headers: RawHeaders): void;
  /**
   * @param release called when the chunk is written: its memory is used again then
   * @returns false where the client has to catch up first, see {@link onDrain}.
   */
  write(chunk: Buffer, release?: Release): boolean;
  onDrain(listener: () => void): void;
  end(trailers: RawHeaders): void;
  /** Answers with an error of the gateway's own; what the client still uploads is read and dropped. */
  sendError(error: OneCliError): void;
  /** Breaks the exchange off so that nobody takes what was sent for a whole answer. @param code RFC 9113 §7 */
  reset(code: number): void;
  /** Whether {@link reset} tells the client a code, even before an answer has begun. */
  readonly carriesResets: boolean;
  /** Lets this answer be the connection's last. */
  closeConnection(): void;
  /** Accepts the WebSocket. @returns what its bytes come by and go by from then on. */
  switchToBytes(headers: RawHeaders): Duplex;
  /** `whole`: the answer was sent whole; otherwise the client left, and with HTTP/2 said why. */
  onClose(listener: (whole: boolean, code: number) => void): void;
}

/** Answers to these end with their head, whatever its Content-Length says (RFC 9112 §6.3). */
export function isBodiless(method: string, status: number): boolean {
  return method === "HEAD" || status === 204 || status === 304;
}
