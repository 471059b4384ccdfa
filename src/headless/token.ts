import { closeSync, readFileSync, statSync } from "node:fs";
import { isOneCliError } from "../core/errors.ts";
import { tokenVariable } from "../core/terminalEnvironment.ts";
import { parseServiceAccountToken, type ServiceAccountToken } from "../core/serviceAccountToken.ts";
import { type TokenSource } from "./commandLine.ts";
import { UsageError } from "./usageError.ts";
import { type ReadFiles } from "./watchedFiles.ts";
import { eraseFromStartEnvironment } from "./startEnvironment.ts";

/** A token is about a thousand characters; what is far longer is another file. */
const maxLength = 64 * 1024;

const tokenPrefix = "ops_";

/**
 * The token of the Service Account, or undefined where none is given. The environment and the descriptor are cleared
 * of it, so that no child inherits it.
 * @param files where a file that can be read again is noted
 * @throws UsageError with a line that says "token" and shows none of it.
 */
export function readToken(
  source: TokenSource,
  environment: NodeJS.ProcessEnv,
  files?: ReadFiles,
): ServiceAccountToken | undefined {
  const inherited = environment[tokenVariable];
  Reflect.deleteProperty(environment, tokenVariable);
  Reflect.deleteProperty(process.env, tokenVariable);
  eraseFromStartEnvironment(tokenVariable);
  const text = source.kind === "environment" ? inherited : readSource(source);
  if (text === undefined || (source.kind === "environment" && text.trim() === "")) {
    return undefined;
  }
  if (source.kind === "file" && statSync(source.file, { throwIfNoEntry: false })?.isFile() === true) {
    files?.note(source.file, text);
  }
  return parseToken(text, source);
}

/** Reads the file of a token again. @throws UsageError as {@link readToken} does. */
export async function rereadToken(
  source: Extract<TokenSource, { kind: "file" }>,
  files: ReadFiles,
): Promise<ServiceAccountToken> {
  let text: string;
  try {
    text = await files.read(source.file);
  } catch (error) {
    throw unreadable(error, source);
  }
  return parseToken(text.slice(0, maxLength), source);
}

function parseToken(text: string, source: TokenSource): ServiceAccountToken {
  try {
    return parseServiceAccountToken(text);
  } catch (error) {
    if (isOneCliError(error)) {
      throw new UsageError(`token (from ${describe(source)}): ${error.message}`);
    }
    throw error;
  }
}

function readSource(source: Exclude<TokenSource, { kind: "environment" }>): string {
  try {
    const text = readFileSync(source.kind === "fd" ? source.fd : source.file, "utf8");
    if (source.kind === "fd") {
      closeSync(source.fd);
    }
    return text.slice(0, maxLength);
  } catch (error) {
    throw unreadable(error, source);
  }
}

function unreadable(error: unknown, source: TokenSource): UsageError {
  const { code = "unknown fault" } = error as NodeJS.ErrnoException;
  return new UsageError(`token: ${describe(source)} cannot be read (${code})`);
}

function describe(source: TokenSource): string {
  switch (source.kind) {
    case "environment":
      return tokenVariable;
    case "fd":
      return `file descriptor ${source.fd}`;
    case "file":
      // A token in the place of the file's name would be shown.
      return source.file.includes(tokenPrefix) ? "the file of --token-file" : source.file;
  }
}
