import { OneCliError } from "./errors.ts";

/** `op://vault/item/[section/]field[?attribute=otp]`: names or ids, never a value. */
export interface SecretReference {
  readonly vault: string;
  readonly item: string;
  readonly section?: string;
  readonly field: string;
  /** `otp` and `totp` both ask for the current one-time code of the field. */
  readonly attribute?: "otp" | "totp";
}

const prefix = "op://";

/** What the SDK takes in a part: letters, digits, blank, and _ . - (everything else is reached by id). */
const partPattern = /^[A-Za-z0-9_.\- ]+$/;

/**
 * Reads a reference as 1Password's tools do: three or four parts that are not empty, and `attribute=otp|totp` as the
 * only query.
 * @throws OneCliError `reference-invalid`, saying what is wrong.
 */
export function parseSecretReference(text: string): SecretReference {
  if (!text.startsWith(prefix)) {
    throw invalid("it does not start with op://");
  }
  const queryStart = text.indexOf("?");
  const path = queryStart === -1 ? text.slice(prefix.length) : text.slice(prefix.length, queryStart);
  const parts = path.split("/");
  if (parts.length < 3 || parts.length > 4) {
    throw invalid(
      `it has ${parts.length} part(s) where vault, item, an optional section and field are wanted`,
    );
  }
  for (const part of parts) {
    if (part.trim() === "") {
      throw invalid("a part of it is empty");
    }
    if (!partPattern.test(part)) {
      throw invalid("a part of it holds a character that a reference cannot carry; use the id of that part");
    }
  }
  const [vault, item] = parts as [string, string];
  const field = parts.at(-1) ?? "";
  const section = parts.length === 4 ? parts[2] : undefined;
  const attribute = queryStart === -1 ? undefined : parseAttribute(text.slice(queryStart + 1));
  return {
    vault,
    item,
    ...(section !== undefined && { section }),
    field,
    ...(attribute !== undefined && { attribute }),
  };
}

function parseAttribute(query: string): "otp" | "totp" {
  const match = /^attribute=(otp|totp)$/.exec(query);
  if (match === null) {
    throw invalid("after the question mark only attribute=otp or attribute=totp may stand");
  }
  return match[1] as "otp" | "totp";
}

/** The text of a reference: the inverse of {@link parseSecretReference}. */
export function formatSecretReference(reference: SecretReference): string {
  let text = texts.get(reference);
  if (text === undefined) {
    text = join(reference);
    texts.set(reference, text);
  }
  return text;
}

/** One text for each: as the key of a map it is hashed once, and not for every request. */
const texts = new WeakMap<SecretReference, string>();

function join(reference: SecretReference): string {
  const { vault, item, section, field, attribute } = reference;
  const parts = section === undefined ? [vault, item, field] : [vault, item, section, field];
  return prefix + parts.join("/") + (attribute === undefined ? "" : `?attribute=${attribute}`);
}

/** Whether the value is a one-time code, which is worthless after its period. */
export function isOneTimeCode(reference: SecretReference): boolean {
  return reference.attribute !== undefined;
}

function invalid(why: string): OneCliError {
  return new OneCliError("reference-invalid", `The secret reference is not valid: ${why}.`);
}
