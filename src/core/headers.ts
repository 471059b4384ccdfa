/**
 * Header fields as they stand on the wire: a flat list of names and values in turn, names in the sender's case, order
 * and repetition kept. Values are Latin-1: one character, one byte. The form of Node's `rawHeaders`.
 */
export type RawHeaders = readonly string[];

/** Names of fields, whatever their case. That a field is none of them mostly shows by the length of its name. */
export class FieldNames {
  readonly #names: ReadonlySet<string>;
  readonly #lengths: readonly boolean[];

  /** @param names in lower case */
  constructor(names: readonly string[]) {
    this.#names = new Set(names);
    this.#lengths = names.reduce<boolean[]>((lengths, { length }) => {
      lengths[length] = true;
      return lengths;
    }, []);
  }

  has(field: string): boolean {
    return this.#lengths[field.length] === true && this.#names.has(field.toLowerCase());
  }
}

/** Fields of one connection (RFC 9110 §7.6.1), which stop at every hop; all of `Proxy-*` stops here as well. */
const hopByHop = new FieldNames([
  "connection",
  "http2-settings",
  "keep-alive",
  "transfer-encoding",
  "upgrade",
]);

/** Never dropped for being named in `Connection`: the message would lose its target or its length. */
const framing = new Set(["host", "content-length"]);

const nothing = new FieldNames([]);
const proxyPrefix = "proxy-";

/** Values of all fields of a name (given in lower case), in order. */
export function fieldValues(headers: RawHeaders, name: string): string[] {
  const values: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const field = headers[index] ?? "";
    if (field.length === name.length && field.toLowerCase() === name) {
      values.push(headers[index + 1] ?? "");
    }
  }
  return values;
}

/** Elements of a field that is a list (RFC 9110 §5.6.1), in lower case; of the name given in lower case. */
export function listElements(headers: RawHeaders, name: string): string[] {
  const [value, ...more] = fieldValues(headers, name);
  return value === undefined
    ? []
    : [value, ...more]
        .join(",")
        .toLowerCase()
        .split(/[ \t]*,[ \t]*/);
}

/**
 * The fields that travel on: without hop-by-hop fields, those named in `Connection`, and `Proxy-*`. Of `TE` only
 * `trailers` does, because trailers are carried over.
 * @param dropped fields that are left out as well
 */
export function endToEndHeaders(headers: RawHeaders, dropped = nothing): string[] {
  const named = connectionOptions(headers);
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const field = headers[index] ?? "";
    if (field.length === 2 && field.toLowerCase() === "te") {
      if (/(^|[\s,])trailers($|[\s,;])/i.test(headers[index + 1] ?? "")) {
        kept.push(field, "trailers");
      }
      continue;
    }
    if (
      hopByHop.has(field) ||
      dropped.has(field) ||
      isProxyField(field) ||
      named?.has(field.toLowerCase()) === true
    ) {
      continue;
    }
    kept.push(field, headers[index + 1] ?? "");
  }
  return kept;
}

function isProxyField(field: string): boolean {
  const first = field.charCodeAt(0);
  return (
    (first === 0x70 || first === 0x50) && field.slice(0, proxyPrefix.length).toLowerCase() === proxyPrefix
  );
}

/** Removes every field whose name (in lower case) is in the set. */
export function withoutFields(headers: RawHeaders, names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const field = headers[index] ?? "";
    if (!names.has(field.toLowerCase())) {
      kept.push(field, headers[index + 1] ?? "");
    }
  }
  return kept;
}

/** The list in twos. */
export function pairs(headers: RawHeaders): [name: string, value: string][] {
  const result: [string, string][] = [];
  for (let index = 0; index < headers.length; index += 2) {
    result.push([headers[index] ?? "", headers[index + 1] ?? ""]);
  }
  return result;
}

function connectionOptions(headers: RawHeaders): Set<string> | undefined {
  let options: Set<string> | undefined;
  for (const value of fieldValues(headers, "connection")) {
    for (const token of value.toLowerCase().split(",")) {
      const option = token.trim();
      if (option !== "" && option !== "close" && option !== "keep-alive" && !framing.has(option)) {
        (options ??= new Set()).add(option);
      }
    }
  }
  return options;
}
