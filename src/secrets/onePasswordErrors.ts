import { isOneCliError, OneCliError } from "../core/errors.ts";
import type { ErrorCode } from "../core/errors.ts";

interface Row {
  /** What the SDK's text holds: it has no codes. */
  readonly text: RegExp;
  /** The same case in an answer of `resolveAll`, which has types instead. */
  readonly type?: string;
  readonly code: ErrorCode;
  readonly message: string;
}

/** Seconds. 1Password's own `retry-after` does not come through the SDK. */
const retryAfter: Partial<Record<ErrorCode, number>> = {
  "onepassword-rate-limited": 60,
  "onepassword-unreachable": 5,
};

const refused =
  "1Password refused the token: the service account was deactivated or deleted, or its token was replaced or has expired.";
const malformed = "1Password's library does not accept the token: it is incomplete or damaged.";
const wrongKeys = "The keys in the token do not open the vaults of its account: the token is damaged.";
const noAccess = "The service account has no access to this vault or item.";
const unreachable = "1Password could not be reached.";
const outage = "1Password could not answer because of a fault on its side.";
const rejected = "1Password did not accept a request that it should have accepted.";
const unreadable = "1Password gave an answer that cannot be read; something between may have changed it.";
const unknown = "1Password gave an answer that this version does not know.";
const notText = "The reference names a file that is not text.";
const sshKey = "The private key in the item cannot be read.";

/**
 * Every way in which the SDK (0.5.0) is known to fail; the first row that matches counts. A text may name what was
 * tried before what failed, so rows that stand for one cause alone come before the more general ones.
 */
const table: readonly Row[] = [
  row(
    /rate limit exceeded/,
    "onepassword-rate-limited",
    "1Password takes no more requests of this account for now.",
  ),

  row(/when decrypting request body/, "onepassword-unreachable", unreadable),
  row(/deserializing HTTP responses/, "onepassword-unreachable", unreadable),
  row(
    /shared key mismatch/,
    "onepassword-unreachable",
    "The server could not prove that it knows the account.",
  ),
  row(/error sending request/, "onepassword-unreachable", unreachable),
  row(/internal server error/, "onepassword-unreachable", outage),
  row(/unexpected status code in response: 5/, "onepassword-unreachable", outage),
  row(/unexpected status code in response/, "onepassword-unreachable", rejected),
  row(/request timeout/, "onepassword-unreachable", "1Password took too long to answer."),
  row(
    /conflict occurred on the server/,
    "onepassword-unreachable",
    "1Password was busy with another change.",
  ),
  row(/bad request/, "onepassword-unreachable", rejected),
  row(/resource not found/, "onepassword-unreachable", rejected),

  row(/you are not authenticated/, "token-invalid", refused),
  row(/bad credentials/, "token-invalid", refused),
  row(/please rotate it/, "token-invalid", refused),
  row(
    /you don't have the right permissions to access/,
    "token-invalid",
    "1Password refused the sign-in of this account.",
  ),
  row(/service account token had invalid format/, "token-invalid", malformed),
  row(/service account (?:base64 decoding|deserialization) failed/, "token-invalid", malformed),
  row(/invalid service account token/, "token-invalid", malformed),
  row(/GcmFailedToDecrypt/, "token-invalid", wrongKeys),
  row(/unlocking vaults/, "token-invalid", wrongKeys),

  row(/you do not have the right permissions to perform/, "reference-not-found", noAccess),
  row(/no vault matched|vault couldn't be found/, "reference-not-found", none("vault"), "vaultNotFound"),
  row(/more than one vault matched/, "reference-not-found", several("vault"), "tooManyVaults"),
  // The answer to a question for an item's id held no item.
  row(/something went wrong when resolving multiple/, "reference-not-found", none("item")),
  row(/no item matched|item couldn't be found/, "reference-not-found", none("item"), "itemNotFound"),
  row(/more than one item matched/, "reference-not-found", several("item"), "tooManyItems"),
  row(
    /item is not in an active state/,
    "reference-not-found",
    "No item matches: it was archived or deleted.",
  ),
  row(/no section matched/, "reference-not-found", none("section"), "noMatchingSections"),
  row(/specified field cannot be found/, "reference-not-found", none("field"), "fieldNotFound"),
  row(/more than one field matched/, "reference-not-found", several("field"), "tooManyMatchingFields"),
  row(/file couldn't be found/, "reference-not-found", none("file")),

  row(
    /TOTP attribute can only be applied/,
    "reference-invalid",
    "The reference asks for a one-time code of a field that is not a one-time password.",
    "incompatibleTOTPQueryParameterField",
  ),
  row(
    /SSH key formatting can only be applied/,
    "reference-invalid",
    "The reference asks for the SSH format of a field that is not a private key.",
    "incompatibleSshKeyQueryParameterField",
  ),
  row(
    /secret reference is not prefixed/,
    "reference-invalid",
    "The secret reference does not start with op://.",
  ),
  row(
    /invalid character in secret reference/,
    "reference-invalid",
    "The secret reference holds a character that it cannot carry; use the id of that part.",
  ),
  row(
    /invalid query parameter/,
    "reference-invalid",
    "After the question mark of a secret reference only attribute=otp or attribute=totp may stand.",
  ),
  row(
    /secret reference could not be parsed|secret reference has invalid format/,
    "reference-invalid",
    "The secret reference does not have the form op://vault/item/[section/]field.",
    "parsing",
  ),

  row(
    /TOTP code could not be generated/,
    "value-unusable",
    "No one-time code can be made of the field: its secret is not valid.",
    "unableToGenerateTotpCode",
  ),
  row(/unable to retrieve SSH Key field/, "value-unusable", sshKey, "sSHKeyMetadataNotFound"),
  row(/unable to properly parse private key/, "value-unusable", sshKey, "unableToParsePrivateKey"),
  row(/unable to format private key/, "value-unusable", sshKey, "unableToFormatPrivateKeyToOpenSsh"),
  row(/unable to retrieve file content/, "value-unusable", notText, "unsupportedFileFormat"),
];

/**
 * Says what a failure of the SDK means. What it threw is kept as the cause; its text never gets into a message.
 * Also takes the string that `Secrets.validateSecretReference` throws.
 * @param connectionFailure why no connection could be made, in sentences, if that is what failed.
 */
export function classifyOnePasswordError(error: unknown, connectionFailure?: string): OneCliError {
  if (isOneCliError(error)) {
    return error;
  }
  const text = error instanceof Error ? error.message : typeof error === "string" ? error : "";
  const match = table.find((candidate) => candidate.text.test(text));
  return match?.message === unreachable && connectionFailure !== undefined
    ? toError({ ...match, message: `${unreachable} ${connectionFailure}` }, error)
    : toError(match, error);
}

/** One reference's failure within an answer of `resolveAll`. */
export interface ReferenceFailure {
  readonly type: string;
  readonly message?: unknown;
}

/** `undefined` where `resolveAll` says no more than that something else went wrong (type "other"). */
export function classifyReferenceFailure({ type, message }: ReferenceFailure): OneCliError | undefined {
  const byMessage = typeof message === "string" ? table.find(({ text }) => text.test(message)) : undefined;
  const match = byMessage ?? table.find((candidate) => candidate.type === type);
  return match === undefined ? undefined : toError(match, type);
}

export function vaultNotFound(): OneCliError {
  return new OneCliError("reference-not-found", none("vault"));
}

function toError(match: Row | undefined, cause: unknown): OneCliError {
  const code = match?.code ?? "onepassword-unreachable";
  const retryAfterSeconds = retryAfter[code];
  return new OneCliError(code, match?.message ?? unknown, {
    cause,
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  });
}

function row(text: RegExp, code: ErrorCode, message: string, type?: string): Row {
  return { text, code, message, ...(type !== undefined && { type }) };
}

function none(part: string): string {
  return `No ${part} matches: the service account sees none of that name or id.`;
}

function several(part: string): string {
  return `More than one ${part} matches; use the id of the ${part}.`;
}
