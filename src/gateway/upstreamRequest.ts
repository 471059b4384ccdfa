import { type Duplex } from "node:stream";
import { type Authority } from "../core/hostname.ts";
import { type RawHeaders } from "../core/headers.ts";
import { type Release } from "./readBuffers.ts";
import { type UploadBody } from "./uploadBody.ts";

/** A request on its way up, whichever version of HTTP it goes by. */
export interface UpstreamRequest {
  readonly scheme: "https" | "http";
  readonly authority: Authority;
  readonly method: string;
  /** Path and query, as the client wrote them. */
  readonly path: string;
  /** Value of `Host`, and of `:authority`. */
  readonly host: string;
  /** Without `Host` and hop-by-hop fields. */
  readonly headers: readonly string[];
  readonly body: UploadBody | null;
  /** Given where a WebSocket is asked for: the handshake's key, empty if the client sent none. */
  readonly webSocketKey: string | undefined;
}

/** Who waits for the answer. After `abort`, and after the last of these, nothing more is called. */
export interface AnswerHandler {
  /** Called at once. `abort` gives the request up, wherever it is by then. @param code RFC 9113 §7 */
  onStart(abort: (code: number) => void): void;
  /** @param resume to call when the client has caught up. @returns false to pause. */
  onHead(status: number, reason: string, headers: RawHeaders, resume: () => void): boolean;
  /**
   * @param release to call when the chunk is needed no longer: its memory is used again then
   * @returns false to pause; a little more may come all the same.
   */
  onData(chunk: Buffer, release?: Release): boolean;
  onEnd(trailers: RawHeaders): void;
  /** The WebSocket is open: what comes from now on is its bytes. */
  onSwitch(headers: RawHeaders, bytes: Duplex): void;
  onError(error: Error): void;
}

/** The upstream ended a stream of its own accord. */
export class UpstreamReset extends Error {
  /** RFC 9113 §7 */
  readonly resetCode: number;

  constructor(resetCode: number) {
    super(`the upstream reset the stream (${resetCode})`);
    this.name = "UpstreamReset";
    this.resetCode = resetCode;
  }
}
