// Header fields between the flat lists of this program and those of node:http2.
import { type OutgoingHttpHeaders } from "node:http2";
import { type RawHeaders } from "../core/headers.ts";

/** The object that node:http2 takes: names in lower case, repeated fields as a list. */
export function toHttp2(headers: RawHeaders, pseudo: OutgoingHttpHeaders = {}): OutgoingHttpHeaders {
  const result = Object.assign(Object.create(null) as OutgoingHttpHeaders, pseudo);
  for (let index = 0; index < headers.length; index += 2) {
    const name = (headers[index] ?? "").toLowerCase();
    const value = headers[index + 1] ?? "";
    const before = result[name];
    if (before === undefined) {
      result[name] = value;
    } else {
      result[name] = Array.isArray(before) ? [...before, value] : [String(before), value];
    }
  }
  return result;
}

/** The flat list without pseudo fields. */
export function fromHttp2(rawHeaders: RawHeaders): string[] {
  const fields: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    if (!name.startsWith(":")) {
      fields.push(name, rawHeaders[index + 1] ?? "");
    }
  }
  return fields;
}

/** Value of a pseudo field, which occurs once at most (RFC 9113 §8.3). */
export function pseudoField(rawHeaders: RawHeaders, name: string): string | undefined {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index] === name) {
      return rawHeaders[index + 1];
    }
  }
  return undefined;
}

/** Joins the fields in which a cookie was sent apart (RFC 9113 §8.2.3). */
export function joinCookies(headers: string[]): string[] {
  const crumbs: string[] = [];
  const joined: string[] = [];
  let place = -1;
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? "";
    if (name !== "cookie") {
      joined.push(name, headers[index + 1] ?? "");
      continue;
    }
    crumbs.push(headers[index + 1] ?? "");
    if (place === -1) {
      place = joined.length + 1;
      joined.push(name, "");
    }
  }
  if (place !== -1) {
    joined[place] = crumbs.join("; ");
  }
  return joined;
}
