// What the stand-ins of the vendors' APIs have in common: a model that answers a prompt, in each vendor's own words.
import { type IncomingHttpHeaders } from "node:http";

/** What a request comes down to, whichever API it was made to. */
export interface Prompt {
  /** Names of the tools that the agent offers. */
  readonly tools: readonly string[];
  /** What the agent's tools have said, oldest first. */
  readonly toolOutputs: readonly string[];
}

export type Reply =
  /** The answer, in the pieces in which it is streamed. */
  | { readonly kind: "text"; readonly pieces: Iterable<string> | AsyncIterable<string> }
  | { readonly kind: "tool"; readonly name: string; readonly input: Readonly<Record<string, unknown>> };

export type Model = (prompt: Prompt) => Reply;

/** An event of a stream; `data` is sent as JSON, a string as it is. */
export interface ServerEvent {
  readonly event?: string;
  readonly data: unknown;
}

export interface ApiRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export type ApiAnswer =
  | { readonly kind: "json"; readonly status: number; readonly body: unknown }
  | { readonly kind: "events"; readonly events: AsyncIterable<ServerEvent> };

/** A vendor's API as its clients see it. */
export interface Api {
  readonly host: string;
  /** The key that a request carries in the vendor's way; undefined: none. */
  readonly keyOf: (headers: IncomingHttpHeaders) => string | undefined;
  /** What the vendor says to a wrong key. */
  readonly refusal: { readonly status: number; readonly body: unknown };
  readonly answer: (request: ApiRequest, model: Model) => Promise<ApiAnswer> | ApiAnswer;
  /** One message of a WebSocket, and the events that answer it; absent: the API has no WebSocket. */
  readonly message?: (text: string, model: Model) => AsyncIterable<ServerEvent>;
}

export const json = (body: unknown, status = 200): ApiAnswer => ({ kind: "json", status, body });

/** The whole text of a reply, for answers that are not streamed. */
export async function joined(pieces: Iterable<string> | AsyncIterable<string>): Promise<string> {
  let text = "";
  for await (const piece of pieces) {
    text += piece;
  }
  return text;
}

export function bearerOf({ authorization }: IncomingHttpHeaders): string | undefined {
  return /^Bearer (.+)$/.exec(authorization ?? "")?.[1];
}

/** A field that a client must send at most once: repeated, it is no key. */
export function fieldOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : undefined;
}
