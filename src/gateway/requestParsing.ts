// What Node's HTTP parser refuses, in our own words.
import { OneCliError } from "../core/errors.ts";

/** Of a request's header block, and of an answer's. */
export const maxHeaderBytes = 64 * 1024;

/** The refusal for a `clientError` of a server; undefined where there is nobody left to tell. */
export function clientErrorOf(error: NodeJS.ErrnoException): OneCliError | undefined {
  switch (error.code) {
    case "ECONNRESET":
    case "EPIPE":
      return undefined;
    case "HPE_HEADER_OVERFLOW":
      return new OneCliError("header-too-large", "The request's header block is larger than 64 KB.");
    default:
      return new OneCliError("bad-request", "What was sent is not a well-formed HTTP/1.1 request.");
  }
}
