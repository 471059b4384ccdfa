// Activity as a file: HAR 1.2 (http://www.softwareishard.com/blog/har-12-spec/) or plain JSON. In the place of a value
// stands the reference of the secret, or the name of a stored one.
import type { Placement } from "../core/injection.ts";
import { injectionRule, type Rule } from "../core/serviceRules.ts";
import type { KeptRecord } from "./activityLog.ts";

/** What is told of a mapping or stored secret. */
export interface NamedTarget {
  readonly rule?: Rule | undefined;
  /** What stands for its value: the reference, or the name. */
  readonly secret: string;
}

type Kept = KeptRecord<NamedTarget>;

export function toJson(records: readonly Kept[]): string {
  const activity = records.map(({ record: { at, id, mapping, ...rest }, entry }) => ({
    time: new Date(at).toISOString(),
    ...rest,
    ...(mapping !== undefined && { mapping }),
    ...(entry !== undefined && { secret: entry.secret }),
  }));
  return `${JSON.stringify({ activity }, undefined, 2)}\n`;
}

/** @param version of this extension. */
export function toHar(records: readonly Kept[], version: string): string {
  // A tunnel's requests are unknown: it is no entry of an archive of requests.
  const entries = records.filter(({ record }) => record.kind === "request").map(toEntry);
  const log = { version: "1.2", creator: { name: "OneCLI", version }, entries };
  return `${JSON.stringify({ log }, undefined, 2)}\n`;
}

function toEntry({ record, entry }: Kept) {
  const { at, method, host, path, status, error, headMs, totalMs, bytesUp, bytesDown, agent, cacheHit } =
    record;
  const sent = entry === undefined ? {} : placed(entry, host.replace(/:\d+$/, ""), path);
  return {
    startedDateTime: new Date(at).toISOString(),
    time: totalMs,
    request: {
      method,
      url: `${host.endsWith(":80") ? "http" : "https"}://${host}${path}`,
      httpVersion: "",
      cookies: [],
      headers: sent.headers ?? [],
      queryString: sent.queryString ?? [],
      headersSize: -1,
      bodySize: bytesUp,
    },
    response: {
      status,
      statusText: "",
      httpVersion: "",
      cookies: [],
      headers: [],
      content: { size: bytesDown, mimeType: "" },
      redirectURL: "",
      headersSize: -1,
      bodySize: bytesDown,
      ...(error !== undefined && { _error: error }),
    },
    cache: {},
    timings: { send: 0, wait: headMs, receive: Math.max(0, totalMs - headMs) },
    _agent: agent,
    ...(cacheHit !== undefined && { _secretFromCache: cacheHit }),
  };
}

interface Field {
  readonly name: string;
  readonly value: string;
}

function placed(
  { rule, secret }: NamedTarget,
  host: string,
  path: string,
): { readonly headers?: readonly Field[]; readonly queryString?: readonly Field[] } {
  const { placement } = injectionRule(rule, host, path);
  return placement.kind === "query"
    ? { queryString: [{ name: placement.name, value: secret }] }
    : { headers: [headerOf(placement, secret)] };
}

function headerOf(placement: Exclude<Placement, { kind: "query" }>, secret: string): Field {
  return placement.kind === "header"
    ? { name: placement.name, value: placement.value.replace("{value}", () => secret) }
    : { name: "Authorization", value: `Basic ${placement.username}:${secret}` };
}
