import { Readable } from "node:stream";
import { type RawHeaders } from "../core/headers.ts";

/** A request's body as its server hands it on. */
export interface BodySource {
  readonly stream: Readable;
  /** Whether all of it has come. */
  readonly isComplete: () => boolean;
  /** The fields behind it, once it is complete. */
  readonly trailers: () => RawHeaders;
  /** Whether the request's head announces such fields. */
  readonly announcesTrailers: boolean;
}

/**
 * The body of a client's request on its way up. The library behind it destroys the body it was given when the answer
 * comes early or the upstream fails; the client must still get its answer on that connection, so what is destroyed is
 * this stream, and the rest of the request is read and dropped.
 */
export class UploadBody extends Readable {
  readonly #source: BodySource;
  #bytes = 0;

  constructor(source: BodySource) {
    super({ autoDestroy: true });
    this.#source = source;
    const { stream } = source;
    stream.on("data", (chunk: Buffer) => {
      this.#bytes += chunk.length;
      if (!this.destroyed && !this.push(chunk)) {
        stream.pause();
      }
    });
    stream.on("end", () => {
      if (source.isComplete()) {
        this.push(null);
      }
    });
    stream.on("close", () => {
      if (!source.isComplete()) {
        this.destroy(new Error("the client left in the middle of its request"));
      }
    });
    // Node tells of a client that left by an error as well; "close" says all there is to know.
    stream.on("error", () => undefined);
    stream.pause();
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

  override _read(): void {
    this.#source.stream.resume();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#source.stream.resume();
    callback(error);
  }
}
