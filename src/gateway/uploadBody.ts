import { Readable } from "node:stream";
import { type RawHeaders } from "../core/headers.ts";

/** Where a request's body comes from. */
export interface BodySource {
  /** Goes on, after {@link UploadBody.receive} has said that there is enough; or drops the rest, of a body that was destroyed. */
  readonly resume: () => void;
  /** The fields behind it, once it is complete. */
  readonly trailers: () => RawHeaders;
  /** Whether the request's head announces such fields. */
  readonly announcesTrailers: boolean;
}

/**
 * The body of a client's request on its way up. Whoever takes it destroys it when the answer comes early or the upstream
 * fails; the client must still get its answer on that connection, so what is destroyed is this stream, and the rest of
 * the request is read and dropped.
 */
export class UploadBody extends Readable {
  readonly #source: BodySource;
  #bytes = 0;

  constructor(source: BodySource) {
    super({ autoDestroy: true });
    this.#source = source;
  }

  /** Bytes read from the client so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The fields behind the body; empty before its end. */
  get trailers(): RawHeaders {
    return this.#source.trailers();
  }

  get announcesTrailers(): boolean {
    return this.#source.announcesTrailers;
  }

  /** More of it has come. @returns whether even more is wanted */
  receive(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    return this.destroyed || this.push(chunk);
  }

  /** All of it has come. */
  finish(): void {
    this.push(null);
  }

  /** No more of it will come. */
  leave(): void {
    this.destroy(new Error("the client left in the middle of its request"));
  }

  override _read(): void {
    this.#source.resume();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#source.resume();
    callback(error);
  }
}

/** A request's body as a stream of Node's server. */
export interface BodyStream extends Omit<BodySource, "resume"> {
  readonly stream: Readable;
  /** Whether all of it has come. */
  readonly isComplete: () => boolean;
}

export function uploadOf({ stream, isComplete, trailers, announcesTrailers }: BodyStream): UploadBody {
  const body = new UploadBody({ resume: () => stream.resume(), trailers, announcesTrailers });
  stream.on("data", (chunk: Buffer) => {
    if (!body.receive(chunk)) {
      stream.pause();
    }
  });
  stream.on("end", () => {
    if (isComplete()) {
      body.finish();
    }
  });
  stream.on("close", () => {
    if (!isComplete()) {
      body.leave();
    }
  });
  // Node tells of a client that left by an error as well; "close" says all there is to know.
  stream.on("error", () => undefined);
  stream.pause();
  return body;
}
