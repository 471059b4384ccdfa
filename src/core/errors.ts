interface ErrorRow {
  /** HTTP status of the answer that carries this code. */
  readonly status: number;
  /** Whether the same request may succeed later without anybody changing anything: `x-should-retry`. */
  readonly retryable: boolean;
  /** The fix, addressed to the person; agents show it to them. */
  readonly hint: string;
}

/** Every way in which the gateway refuses a request: docs/errors.md explains them one by one. */
const errorTable = {
  "not-connected": {
    status: 424,
    retryable: false,
    hint: "Connect a 1Password Service Account (OneCLI: Connect 1Password), then send the request again.",
  },
  "token-invalid": {
    status: 424,
    retryable: false,
    hint: "Check in 1Password that the service account still exists and is active, then connect again with its token (it starts with ops_).",
  },
  "reference-not-found": {
    status: 424,
    retryable: false,
    hint: "Correct the op:// reference of this host: vault, item and field must be named exactly as in 1Password, and the service account needs read access to the vault.",
  },
  "reference-invalid": {
    status: 424,
    retryable: false,
    hint: "Write the reference as op://vault/item/field or op://vault/item/section/field; use ids where a name holds other characters than letters, digits, blank, _ . and -.",
  },
  "value-unusable": {
    status: 424,
    retryable: false,
    hint: "Store the secret as a single line of plain characters, or map another field.",
  },
  "onepassword-rate-limited": {
    status: 503,
    retryable: true,
    hint: "The 1Password quota of this account is used up for now. Wait; nothing has to be changed.",
  },
  "onepassword-unreachable": {
    status: 503,
    retryable: true,
    hint: "Check the network, and the parent proxy, between this machine and 1Password, then try again.",
  },
  "insecure-request": {
    status: 403,
    retryable: false,
    hint: "Use https:// for this host: a secret is never sent in clear.",
  },
  denied: { status: 403, retryable: false, hint: "Ask the person at the editor; do not try again unasked." },
  misdirected: {
    status: 421,
    retryable: false,
    hint: "Send each request over a connection that was opened (CONNECT) for the same host and port.",
  },
  "upstream-unreachable": {
    status: 502,
    retryable: true,
    hint: "Check the host name, the network and the parent proxy, then try again.",
  },
  "upstream-certificate": {
    status: 502,
    retryable: false,
    hint: "If a private authority has signed it, or that of a proxy which inspects TLS, add this authority to the extra CA certificates (extraCaCertificates); verification cannot be turned off.",
  },
  "upstream-timeout": {
    status: 504,
    retryable: true,
    hint: "The server did not take the connection. Try again later.",
  },
  "gateway-stopping": {
    status: 503,
    retryable: true,
    hint: "The gateway is being restarted. Try again in a moment.",
  },
  "proxy-authentication-required": {
    status: 407,
    retryable: false,
    hint: "Use the proxy URL of a terminal opened by OneCLI, with its user name and password.",
  },
  "bad-request": { status: 400, retryable: false, hint: "Send a well-formed HTTP/1.1 request." },
  "method-not-allowed": { status: 405, retryable: false, hint: "Use another method." },
  "not-implemented": { status: 501, retryable: false, hint: "Use another form of the request." },
  "upgrade-unsupported": {
    status: 426,
    retryable: false,
    hint: "Use plain HTTPS requests instead of a WebSocket for this host.",
  },
  "not-found": {
    status: 404,
    retryable: false,
    hint: "Ask http://onecli.internal/ what there is.",
  },
  "header-too-large": {
    status: 431,
    retryable: false,
    hint: "Keep the header block of a request under 64 KB.",
  },
  "request-timeout": {
    status: 408,
    retryable: false,
    hint: "Send the whole request head within 30 seconds.",
  },
  "invalid-input": {
    status: 400,
    retryable: false,
    hint: "Correct what the message names; GET /api/openapi.json describes every request.",
  },
  unauthorized: {
    status: 401,
    retryable: false,
    hint: "Send the API's token as Authorization: Bearer TOKEN (OneCLI: Copy API Token, or the token file of onecli-gateway); the proxy's password is another one.",
  },
  "host-not-allowed": {
    status: 403,
    retryable: false,
    hint: "Call the API by http://127.0.0.1:PORT, or name the host in api.hosts of the configuration file.",
  },
  "origin-not-allowed": {
    status: 403,
    retryable: false,
    hint: "The API is not for web pages: call it from a program, without an Origin field.",
  },
  "writes-not-allowed": {
    status: 403,
    retryable: false,
    hint: 'Change the configuration file by hand, or let the API do it: "api": {"writes": true} in that file.',
  },
  "unknown-endpoint": {
    status: 404,
    retryable: false,
    hint: "GET /api/openapi.json lists what there is.",
  },
  "no-such-mapping": {
    status: 404,
    retryable: false,
    hint: "GET /api/vault/onepassword/mappings lists what there is; ?path= names the one for a path.",
  },
  "mappings-unwritable": {
    status: 409,
    retryable: false,
    hint: "Mend what the message names, then send the request again.",
  },
  "body-too-large": {
    status: 413,
    retryable: false,
    hint: "Keep the body under 64 KB; a mapping takes some hundred bytes.",
  },
  "unsupported-media-type": {
    status: 415,
    retryable: false,
    hint: "Send the body as JSON, with Content-Type: application/json.",
  },
  "too-many-writes": {
    status: 429,
    retryable: true,
    hint: "Wait for the answers to the writes that are under way.",
  },
  internal: {
    status: 500,
    retryable: false,
    hint: "This is a fault of the gateway. Its log says more; please report it.",
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

export const errorCodes = Object.keys(errorTable) as readonly ErrorCode[];

/** The row of the error table for a code. */
export function describeError(code: ErrorCode): ErrorRow {
  return errorTable[code];
}

interface OneCliErrorOptions {
  readonly cause?: unknown;
  /** Whole seconds after which trying again makes sense. */
  readonly retryAfterSeconds?: number;
}

/**
 * A refusal with a stable code. `message` says what happened and is safe to show anywhere: no value, no token, no
 * reference, no URL with credentials. `cause` is for debugging and never leaves the process.
 */
export class OneCliError extends Error {
  readonly code: ErrorCode;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, options: OneCliErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = "OneCliError";
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

export function isOneCliError(error: unknown, code?: ErrorCode): error is OneCliError {
  return error instanceof OneCliError && (code === undefined || error.code === code);
}

/** Whether an error comes from the mapping or its secret, and not from the host that it is for. */
export function isMappingError(code: ErrorCode): boolean {
  return errorTable[code].status === 424 || code.startsWith("onepassword-");
}

/** Anything thrown, as a OneCliError; what is not one already is a fault of ours and says nothing of its text. */
export function toOneCliError(error: unknown): OneCliError {
  return isOneCliError(error)
    ? error
    : new OneCliError("internal", "The gateway failed on this request.", { cause: error });
}

export interface ErrorAnswer {
  readonly status: number;
  /** Flat list of names and values, without the fields that frame the body. */
  readonly headers: readonly string[];
  readonly body: string;
}

const docsAddress = "https://github.com/onecli/onecli-vscode/blob/main/docs/errors.md";

/** Seconds to wait where the error itself does not say: every 503 carries `retry-after`. */
const defaultRetryAfterSeconds = 1;

/**
 * The answer an agent gets. Most agents show `message` alone, so it carries what happened, the code and the fix.
 */
export function errorAnswer(error: OneCliError): ErrorAnswer {
  const { status, retryable, hint } = errorTable[error.code];
  const headers = [
    "content-type",
    "application/json",
    "x-onecli-error",
    error.code,
    "x-should-retry",
    String(retryable),
  ];
  const retryAfter = error.retryAfterSeconds ?? (status === 503 ? defaultRetryAfterSeconds : undefined);
  if (retryAfter !== undefined) {
    headers.push("retry-after", String(Math.max(1, Math.ceil(retryAfter))));
  }
  const body = JSON.stringify({
    error: {
      type: "onecli_error",
      code: error.code,
      message: `OneCLI: ${error.message} (${error.code}) ${hint}`,
      hint,
      docs: `${docsAddress}#${error.code}`,
    },
  });
  return { status, headers, body: `${body}\n` };
}

/**
 * The answer to a WebSocket handshake: 426 where the secret or the server is what is missing. The request without a
 * WebSocket, for which agents fall back at once, is told the same and shows it; at any other status Codex repeats the
 * handshake for seconds, and shows only that it does.
 */
export function handshakeAnswer(error: OneCliError): ErrorAnswer {
  const answer = errorAnswer(error);
  const isOfTheRequest = answer.status < 424 || answer.status === 431 || answer.status === 501;
  return isOfTheRequest ? answer : { ...answer, status: 426 };
}
