import { OneCliError } from "./errors.ts";
import { type RawHeaders, withoutFields } from "./headers.ts";
import { type SecretValue } from "./secretValue.ts";

/** How a value becomes a header field. */
export interface InjectionRule {
  /** Field name as it is written on the wire. */
  readonly header: string;
  /** The field's value, with `{value}` where the secret goes. */
  readonly template: string;
  /** Other fields (lower case) that the service would take for a credential of the client's. */
  readonly drops?: readonly string[];
}

/**
 * Sets the rule's field to the secret and removes what the client sent in its place.
 * @throws OneCliError `value-unusable` where the value is no legal header value (RFC 9110 §5.5).
 */
export function inject(headers: RawHeaders, rule: InjectionRule, value: SecretValue): string[] {
  const replaced = withoutFields(headers, new Set([rule.header.toLowerCase(), ...(rule.drops ?? [])]));
  replaced.push(
    rule.header,
    rule.template.replace("{value}", () => usableValue(value)),
  );
  return replaced;
}

const unusable: readonly (readonly [RegExp, string])[] = [
  [/^$/, "is empty"],
  [/[\r\n]/, "has a line break"],
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for.
  [/\u0000/, "has a NUL character"],
  // eslint-disable-next-line no-control-regex -- as above
  [/[\u0001-\u001f\u007f-\u009f]/, "has a control character"],
  // eslint-disable-next-line no-control-regex -- as above
  [/[^\u0000-\u00ff]/, "has a character outside Latin-1"],
];

function usableValue(value: SecretValue): string {
  const text = value.reveal();
  for (const [pattern, what] of unusable) {
    if (pattern.test(text)) {
      throw new OneCliError("value-unusable", `The secret cannot be sent in a header: its value ${what}.`);
    }
  }
  return text;
}
