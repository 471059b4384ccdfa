import { type z } from "zod";
import { type ErrorCode } from "../core/errors.ts";

export type Method = "GET" | "PUT" | "POST" | "DELETE";

/** What is sent: JSON, or the text of another media type. */
export type Answer =
  | { readonly status: number; readonly json: unknown }
  | { readonly status: number; readonly contentType: string; readonly text: string }
  | { readonly status: 204 };

export interface DescribedAnswer {
  readonly description: string;
  /** Absent: no body. */
  readonly schema?: z.ZodType;
  readonly contentType?: string;
}

interface Input<Query, Body> {
  /** The `{hostname}` of the path, decoded. */
  readonly hostname: string;
  readonly query: Query;
  readonly body: Body;
}

/** One method of one path: what it takes, what it answers, what it does. The routes and the OpenAPI document come of it. */
export interface Endpoint<Query = unknown, Body = unknown> {
  readonly id: string;
  readonly method: Method;
  /** As in OpenAPI, with `{hostname}` for a parameter. */
  readonly path: string;
  readonly summary: string;
  /** Answers without the token. */
  readonly isOpen?: true;
  readonly query?: z.ZodType<Query>;
  readonly body?: z.ZodType<Body>;
  readonly answers: Readonly<Record<number, DescribedAnswer>>;
  /** Beside those that every endpoint has. */
  readonly errors: readonly ErrorCode[];
  /** @throws OneCliError */
  readonly handle: (input: Input<Query, Body>) => Answer | Promise<Answer>;
}

/** Ties the handler to its schemas. Query and body are parsed by them before the handler sees them. */
export function endpoint<Query = undefined, Body = undefined>(description: Endpoint<Query, Body>): Endpoint {
  return description as Endpoint;
}
