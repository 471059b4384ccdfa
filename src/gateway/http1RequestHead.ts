import { OneCliError } from "../core/errors.ts";
import { isFieldValue, isToken } from "./http1Characters.ts";
import { type UpstreamRequest } from "./upstreamRequest.ts";

/** The head of a request as it goes over the wire by HTTP/1.1. */
export interface Http1Head {
  /** Latin-1, with the empty line. */
  readonly text: string;
  /** Bytes of the body; undefined where it goes in chunks. */
  readonly bodyLength: number | undefined;
}

const lengthField = "content-length";
/** A body is expected with these, so that its absence is told (RFC 9110 §8.6). */
const methodsWithBody = new Set(["POST", "PUT", "PATCH"]);

const unsafeTarget = /[^\x21-\x7e\x80-\xff]/;
/**
 * Requests come by other ways than HTTP/1.1 as well: what would begin another field or another request is refused here,
 * whoever let it in.
 * @throws OneCliError `bad-request`
 */
export function http1Head({ method, path, host, headers, body }: UpstreamRequest): Http1Head {
  if (!isToken(method) || unsafeTarget.test(path) || unsafeTarget.test(host)) {
    throw new OneCliError("bad-request", "The request's method or path cannot be sent by HTTP/1.1.");
  }
  let text = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`;
  const lengths: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? "";
    const value = headers[index + 1] ?? "";
    if (name.length === lengthField.length && name.toLowerCase() === lengthField) {
      lengths.push(value);
      continue;
    }
    if (!isToken(name) || !isFieldValue(value)) {
      throw new OneCliError("bad-request", "The request has a field that cannot be sent by HTTP/1.1.");
    }
    text += `${name}: ${value}\r\n`;
  }
  if (body === null) {
    return {
      text: `${text}${methodsWithBody.has(method) ? "content-length: 0\r\n" : ""}\r\n`,
      bodyLength: 0,
    };
  }
  const [length, ...more] = lengths;
  if (length === undefined) {
    return { text: `${text}transfer-encoding: chunked\r\n\r\n`, bodyLength: undefined };
  }
  if (more.length > 0 || !/^\d{1,15}$/.test(length)) {
    throw new OneCliError("bad-request", "The request's Content-Length is not one number.");
  }
  return { text: `${text}content-length: ${length}\r\n\r\n`, bodyLength: Number(length) };
}
