// The one place where a secret is revealed: the head of a request that goes to its host.
import { OneCliError } from "./errors.ts";
import { type RawHeaders, withoutFields } from "./headers.ts";
import { editQuery } from "./query.ts";
import { type SecretValue } from "./secretValue.ts";

/** Where in a request the secret goes. */
export type Placement =
  /** A field, its name as it is written on the wire; `value` with `{value}` where the secret goes. */
  | { readonly kind: "header"; readonly name: string; readonly value: string }
  /** `Authorization: Basic`, the secret being the password (RFC 7617; in UTF-8, as its §2.1 has it). */
  | { readonly kind: "basic"; readonly username: string }
  /** A parameter of the query. */
  | { readonly kind: "query"; readonly name: string };

/** How a secret becomes part of a request. */
export interface InjectionRule {
  readonly placement: Placement;
  /**
   * Where else the service would look for a credential: fields in lower case, parameters of the query as `?name`. What
   * the client sent there is dropped.
   */
  readonly credentials?: readonly string[];
  /** Another placement for secrets that begin so. */
  readonly variant?: { readonly prefix: string; readonly placement: Placement };
}

export interface RequestHead {
  readonly headers: RawHeaders;
  /** Path and query. */
  readonly path: string;
}

/**
 * Writes the secret into a request's head and removes what the client sent in its place.
 * @throws OneCliError `value-unusable` where the value is no legal header value (RFC 9110 §5.5), wherever it is to go.
 */
export function inject(
  { headers, path }: RequestHead,
  { placement: usual, credentials = [], variant }: InjectionRule,
  secret: SecretValue,
): { headers: string[]; path: string } {
  const value = usableValue(secret);
  const placement = variant !== undefined && value.startsWith(variant.prefix) ? variant.placement : usual;
  const fields = new Set<string>();
  const parameters: string[] = [];
  for (const credential of credentials) {
    if (credential.startsWith("?")) {
      parameters.push(credential.slice(1));
    } else {
      fields.add(credential);
    }
  }
  if (placement.kind === "query") {
    return {
      headers: withoutFields(headers, fields),
      path: editQuery(path, parameters, { name: placement.name, value }),
    };
  }
  const [name, text] = fieldOf(placement, value);
  const replaced = withoutFields(headers, fields.add(name.toLowerCase()));
  replaced.push(name, text);
  return { headers: replaced, path: parameters.length === 0 ? path : editQuery(path, parameters) };
}

function fieldOf(
  placement: Exclude<Placement, { kind: "query" }>,
  value: string,
): readonly [name: string, text: string] {
  return placement.kind === "header"
    ? [placement.name, placement.value.replace("{value}", () => value)]
    : ["Authorization", `Basic ${base64(`${placement.username}:${value}`)}`];
}

function base64(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}

const unusablePatterns: readonly (readonly [RegExp, string])[] = [
  [/^$/, "is empty"],
  [/[\r\n]/, "has a line break"],
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for.
  [/\u0000/, "has a NUL character"],
  // eslint-disable-next-line no-control-regex -- as above
  [/[\u0001-\u001f\u007f-\u009f]/, "has a control character"],
  // eslint-disable-next-line no-control-regex -- as above
  [/[^\u0000-\u00ff]/, "has a character outside Latin-1"],
];

/** Why a text cannot be sent as a secret: "has a line break". */
export function unusable(text: string): string | undefined {
  return unusablePatterns.find(([pattern]) => pattern.test(text))?.[1];
}

function usableValue(value: SecretValue): string {
  const text = value.reveal();
  const what = unusable(text);
  if (what !== undefined) {
    throw new OneCliError("value-unusable", `The secret cannot be sent: its value ${what}.`);
  }
  return text;
}
