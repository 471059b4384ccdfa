import * as z from "zod";
import { OneCliError } from "./errors.ts";

/** What a pasted token says, checked. `token` is a credential: it goes to the SDK and to secret storage only. */
export interface ServiceAccountToken {
  readonly token: string;
  /** Origin of the server that the SDK signs in to. */
  readonly signInAddress: string;
  /** Host of that server, without a port. */
  readonly host: string;
  /** A server on loopback: nothing it says comes from 1Password. */
  readonly isLocalTestService: boolean;
  /** How the account is shown to people. */
  readonly account: string;
  readonly email: string;
}

const prefix = "ops_";
const text = z.string().min(1);

/** Presence only: the SDK checks the form of the keys, and makes no request when it does not like them. */
const tokenContent = z.looseObject({
  signInAddress: text,
  email: text,
  srpX: text,
  muk: z.looseObject({ alg: text, k: text, kid: text }),
  secretKey: text,
  deviceUuid: text,
  userAuth: z.looseObject({ method: text, alg: text, iterations: z.number(), salt: text }),
});

/**
 * Reads a Service Account token as it was pasted; blanks and line ends around it do not matter.
 *
 * No message and no cause holds any part of the text: those of the JSON parser and of zod would quote it.
 * @throws OneCliError `token-invalid`: empty, another kind of text, damaged, or for a server that is not 1Password.
 */
export function parseServiceAccountToken(pasted: string): ServiceAccountToken {
  const trimmed = pasted.trim();
  if (trimmed === "") {
    throw invalid("No token was given.");
  }
  if (!trimmed.startsWith(prefix)) {
    throw invalid("This is not the token of a 1Password Service Account: those start with ops_.");
  }
  const parsed = tokenContent.safeParse(decode(trimmed.slice(prefix.length)));
  if (!parsed.success) {
    throw invalid("The token is incomplete or damaged: copy the whole of it again.");
  }
  const server = parseSignInAddress(parsed.data.signInAddress);
  if (server === undefined) {
    throw invalid("The token names a sign-in address that is not 1Password's, and is not used.");
  }
  // Written anew from what was checked: of a member that stands there twice, the SDK may have read the other one.
  const content = JSON.stringify({ ...parsed.data, signInAddress: server.origin });
  return {
    token: prefix + Buffer.from(content, "utf8").toString("base64url"),
    signInAddress: server.origin,
    host: server.host,
    isLocalTestService: server.isLoopback,
    account: server.isLoopback ? `local test service (${server.authority})` : server.host,
    email: parsed.data.email,
  };
}

/** Base64, in either alphabet and with or without padding, of JSON in UTF-8; `undefined` for anything else. */
function decode(encoded: string): unknown {
  if (!/^(?:[\w-]+|[A-Za-z0-9+/]+)={0,2}$/.test(encoded)) {
    return undefined;
  }
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    return JSON.parse(decoder.decode(Buffer.from(encoded, "base64"))) as unknown;
  } catch {
    return undefined;
  }
}

interface Server {
  readonly origin: string;
  readonly host: string;
  /** Host, and port if it is not the scheme's own. */
  readonly authority: string;
  readonly isLoopback: boolean;
}

/** Scheme, host and port and nothing else, so that no two URL parsers can read it differently. */
const addressPattern = /^(?:(https?):\/\/)?([A-Za-z0-9.-]+|\[::1\])(?::([1-9][0-9]{0,4}))?\/?$/i;
const byte = "(?:0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])";
const loopbackPattern = new RegExp(`^(?:localhost|\\[::1\\]|127(?:\\.${byte}){3})$`);
const onePasswordPattern = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*1password\.(?:com|ca|eu)$/;

/** A server that a token may name: 1Password's over https, or one on this machine. */
function parseSignInAddress(address: string): Server | undefined {
  const match = addressPattern.exec(address);
  if (match === null) {
    return undefined;
  }
  const scheme = match[1]?.toLowerCase() ?? "https";
  const host = (match[2] ?? "").toLowerCase();
  const usualPort = scheme === "https" ? 443 : 80;
  const port = match[3] === undefined ? usualPort : Number(match[3]);
  const isLoopback = loopbackPattern.test(host);
  const isOnePassword = onePasswordPattern.test(host) && scheme === "https" && port === usualPort;
  if (port > 65_535 || !(isLoopback || isOnePassword)) {
    return undefined;
  }
  const authority = port === usualPort ? host : `${host}:${port}`;
  return { origin: `${scheme}://${authority}`, host, authority, isLoopback };
}

function invalid(message: string): OneCliError {
  return new OneCliError("token-invalid", message);
}
