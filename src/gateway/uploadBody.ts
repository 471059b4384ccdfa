import { type IncomingMessage } from "node:http";
import { Readable } from "node:stream";

/**
 * The body of a client's request on its way up. undici destroys the body it was given when the answer comes early or
 * the upstream fails; the client must still get its answer on that connection, so what is destroyed is this stream,
 * and the rest of the request is read and dropped.
 */
export class UploadBody extends Readable {
  readonly #request: IncomingMessage;
  #bytes = 0;

  constructor(request: IncomingMessage) {
    super({ autoDestroy: true });
    this.#request = request;
    request.on("data", (chunk: Buffer) => {
      this.#bytes += chunk.length;
      if (!this.destroyed && !this.push(chunk)) {
        request.pause();
      }
    });
    request.on("end", () => this.push(null));
    request.on("close", () => {
      if (!request.complete) {
        this.destroy(new Error("the client left in the middle of its request"));
      }
    });
    // Node tells of a client that left by an error as well; "close" says all there is to know.
    request.on("error", () => undefined);
    request.pause();
  }

  /** Bytes read from the client so far. */
  get bytes(): number {
    return this.#bytes;
  }

  override _read(): void {
    this.#request.resume();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#request.resume();
    callback(error);
  }
}
