import { type Http2Stream } from "node:http2";

/**
 * Tells whether a request's stream was ended by the client (END_STREAM), which "end" does not: a reset without an error
 * ends the reading as well. To be called before anything was read.
 */
export function watchEnd(stream: Http2Stream): () => boolean {
  let ended = false;
  const push = stream.push.bind(stream);
  stream.push = (chunk, encoding) => {
    // A reset closes the stream first.
    ended ||= chunk === null && !stream.closed;
    return push(chunk, encoding);
  };
  return () => ended;
}
