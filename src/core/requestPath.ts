// A mapping may cover the requests below a path only. Whether a request is below it must not depend on how its path is
// spelled, or a secret could be drawn (or dodged) by spelling. The request itself is sent on as it was written.

/** Says in a few words what is wrong with a path: "has a query". */
export class PathError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "PathError";
  }
}

/** The prefix of a mapping that is for every path. */
export const everyPath = "/";

const forbidden: readonly (readonly [RegExp, string])[] = [
  [/^(?!\/)/, "does not start with /"],
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for.
  [/[\s\u0000-\u0020\u007f]/, "has a blank or a control character"],
  [/\?/, "has a query"],
  [/#/, "has a fragment"],
  [/\\/, "has a backslash"],
  [/\*/, "has a star; a path covers everything below it without one"],
  [/%(?![0-9a-f]{2})/i, "has a % that encodes nothing"],
  [/(\/|%2f|%5c)(\.|%2e){1,2}(\/|%2f|%5c|;|$)/i, "has a dot segment"],
];

/**
 * Reads the path of a mapping, a prefix on the borders of segments. Its canonical form ends with a slash: `/v1` and
 * `/v1/` both cover `/v1` and everything below.
 * @throws PathError
 */
export function parsePathPrefix(text: string): string {
  for (const [pattern, reason] of forbidden) {
    if (pattern.test(text)) {
      throw new PathError(reason);
    }
  }
  try {
    return removeDots(mergeSlashes(normalised(text.replace(/[\u0080-\u{10ffff}]+/gu, encodeURIComponent))));
  } catch {
    throw new PathError("is not well-formed Unicode");
  }
}

/** What a path means to servers that read it in different ways; for one without oddities all are the same. */
export interface PathReadings {
  /** RFC 3986 §6.2.2: percent-encoded unreserved characters and dot segments resolved. */
  readonly strict: string;
  /** As above, duplicate slashes merged before a dot segment could take one away. */
  readonly merged: string;
  /** As the most lenient servers read it: everything decoded, a backslash for a slash, parameters of segments cut. */
  readonly lenient: string;
}

/** @param target path and query as on the wire, one character per byte. */
export function readPath(target: string): PathReadings {
  const path = normalised(/^[^?#]*/.exec(target)?.[0] ?? "");
  return {
    strict: removeDots(path),
    merged: removeDots(mergeSlashes(path)),
    lenient: lenientPath(/^[^?]*/.exec(target)?.[0] ?? ""),
  };
}

/** The lenient reading of a prefix, to hold a lenient reading against. */
export function lenientPath(path: string): string {
  let decoded = path;
  // More than three layers of encoding no server undoes.
  for (let layer = 0; layer < 3 && decoded.includes("%"); layer++) {
    decoded = decoded.replace(/%[0-9a-f]{2}/gi, decodeByte);
  }
  return removeDots(mergeSlashes(decoded.replaceAll("\\", "/").replace(/;[^/]*/g, "")));
}

function normalised(path: string): string {
  return path
    .replace(/%[0-9a-f]{2}/gi, (encoded) => {
      const character = decodeByte(encoded);
      return /[A-Za-z0-9._~-]/.test(character) ? character : encoded.toUpperCase();
    })
    .replace(/[\u0080-\u00ff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
}

function decodeByte(encoded: string): string {
  return String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
}

function mergeSlashes(path: string): string {
  return path.replace(/\/{2,}/g, "/");
}

/** Without dot segments and empty ones, and with a slash at the end. */
function removeDots(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split("/").slice(1)) {
    if (segment === "..") {
      kept.pop();
    } else if (segment !== ".") {
      kept.push(segment);
    }
  }
  return mergeSlashes(`/${kept.join("/")}/`);
}
