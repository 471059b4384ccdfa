// The OpenAPI document of the endpoints.
import * as z from "zod";
import { createDocument, type ZodOpenApiOperationObject } from "zod-openapi";
import { describeError, type ErrorCode } from "../core/errors.ts";
import { version } from "../shared/version.ts";
import { type DescribedAnswer, type Endpoint } from "./endpoint.ts";
import { errorBody } from "../shared/apiSchemas.ts";

const json = "application/json";

/** What can befall every request. */
const commonErrors: readonly ErrorCode[] = [
  "bad-request",
  "host-not-allowed",
  "origin-not-allowed",
  "internal",
];
const bodyErrors: readonly ErrorCode[] = ["body-too-large", "unsupported-media-type"];

const hostnameParameter = z.object({
  hostname: z.string().meta({
    description: "The host of a mapping, in any spelling; percent-encode what a path segment cannot hold.",
    examples: ["api.anthropic.com"],
  }),
});

export function openApiDocument(endpoints: readonly Endpoint[]): object {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const endpoint of endpoints) {
    (paths[endpoint.path] ??= {})[endpoint.method.toLowerCase()] = describe(endpoint);
  }
  return createDocument({
    openapi: "3.1.0",
    info: {
      title: "OneCLI management API",
      version,
      description: "Says which host gets which secret of 1Password. No answer holds a secret's value.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [
      { url: "http://127.0.0.1:{port}", variables: { port: { default: "0", description: "Of the API" } } },
    ],
    security: [{ token: [] }],
    components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
    paths,
  });
}

function describe(endpoint: Endpoint): ZodOpenApiOperationObject {
  const { id, summary, path, isOpen, query, body, answers } = endpoint;
  return {
    operationId: id,
    summary,
    ...(isOpen === true && { security: [] }),
    requestParams: {
      ...(path.includes("{hostname}") && { path: hostnameParameter }),
      ...(query instanceof z.ZodObject && { query }),
    },
    ...(body !== undefined && { requestBody: { required: true, content: { [json]: { schema: body } } } }),
    responses: { ...errorResponses(endpoint), ...mapValues(answers, describeAnswer) },
  };
}

function describeAnswer({ description, schema, contentType = json }: DescribedAnswer) {
  const hasBody = schema !== undefined || contentType !== json;
  return {
    description,
    ...(hasBody && { content: { [contentType]: { schema: schema ?? z.string() } } }),
  };
}

/** The errors of one status share a response. */
function errorResponses({ isOpen, body, errors }: Endpoint) {
  const codes = new Set([
    ...commonErrors,
    ...(isOpen === true ? [] : (["unauthorized"] as const)),
    ...(body === undefined ? [] : bodyErrors),
    "invalid-input" as const,
    ...errors,
  ]);
  const byStatus: Record<number, ErrorCode[]> = {};
  for (const code of codes) {
    (byStatus[describeError(code).status] ??= []).push(code);
  }
  return mapValues(byStatus, (codes) => ({
    description: codes.join(", "),
    content: { [json]: { schema: errorBody } },
  }));
}

function mapValues<T, U>(
  record: Readonly<Record<number, T>>,
  map: (value: T) => U,
): Record<`${1 | 2 | 3 | 4 | 5}${string}`, U> {
  return Object.fromEntries(Object.entries(record).map(([status, value]) => [status, map(value)]));
}
