// The routes: from an endpoint's description to an answer. What reaches them has passed access.ts.
import { type Context } from "hono";
import { Hono } from "hono/tiny";
import { type z } from "zod";
import { errorAnswer, OneCliError, toOneCliError } from "../core/errors.ts";
import { describeIssue } from "../core/target.ts";
import { type Answer, type Endpoint } from "./endpoint.ts";
import { openApiDocument } from "./openApi.ts";

const documentPath = "/api/openapi.json";

/** Answers every request, with an error where there is no better answer. */
export function makeApp(endpoints: readonly Endpoint[]): (request: Request) => Promise<Response> {
  const app = new Hono();
  let document: object | undefined;
  for (const endpoint of endpoints) {
    app.on(endpoint.method, routeOf(endpoint.path), async (context) => send(await answer(endpoint, context)));
  }
  app.get(documentPath, () => send({ status: 200, json: (document ??= openApiDocument(endpoints)) }));
  for (const path of [documentPath, ...new Set(endpoints.map((endpoint) => endpoint.path))]) {
    app.all(routeOf(path), ({ req }) => {
      const methods = endpoints.filter((endpoint) => endpoint.path === path).map(({ method }) => method);
      const allowed = (methods.length === 0 ? ["GET"] : methods).flatMap((method) =>
        method === "GET" ? ["GET", "HEAD"] : method,
      );
      const error = new OneCliError("method-not-allowed", `${req.method} is not for ${path}.`);
      return sendError(error, { allow: allowed.join(", ") });
    });
  }
  app.notFound(({ req }) => sendError(new OneCliError("unknown-endpoint", `There is no ${req.path}.`)));
  app.onError((error) => sendError(toOneCliError(error)));
  return async (request) => app.fetch(request);
}

function routeOf(path: string): string {
  return path.replace("{hostname}", ":hostname");
}

async function answer(endpoint: Endpoint, { req }: Context): Promise<Answer> {
  const hostname = req.param("hostname") ?? "";
  const query = parse(endpoint.query, singleValues(req.queries()), "The query takes no parameter.");
  const text = await req.text();
  const body =
    endpoint.body === undefined && text === ""
      ? undefined
      : parse(endpoint.body, readJson(text, req.header("content-type")), "This endpoint takes no body.");
  return endpoint.handle({ hostname, query, body });
}

function singleValues(queries: Record<string, string[]>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(queries).map(([name, values]) => {
      if (values.length > 1) {
        throw new OneCliError("invalid-input", `${name}: is given more than once.`);
      }
      return [name, values[0] ?? ""];
    }),
  );
}

function readJson(text: string, contentType = ""): unknown {
  if (!/^application\/json *(;|$)/i.test(contentType)) {
    throw new OneCliError("unsupported-media-type", "The body is not said to be JSON.");
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new OneCliError("invalid-input", "The body is not valid JSON.");
  }
}

/** @param nothing what to say where there is no schema, and yet something to parse. */
function parse(schema: z.ZodType | undefined, value: unknown, nothing: string): unknown {
  if (schema === undefined) {
    if (typeof value === "object" && value !== null && Object.keys(value).length === 0) {
      return undefined;
    }
    throw new OneCliError("invalid-input", nothing);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    throw new OneCliError("invalid-input", `${describeIssue(parsed.error)}.`);
  }
  return parsed.data;
}

function send(answer: Answer): Response {
  const headers = { "cache-control": "no-store", "x-content-type-options": "nosniff" };
  if ("json" in answer) {
    const body = `${JSON.stringify(answer.json, undefined, 2)}\n`;
    return new Response(body, {
      status: answer.status,
      headers: { ...headers, "content-type": "application/json" },
    });
  }
  return "text" in answer
    ? new Response(answer.text, {
        status: answer.status,
        headers: { ...headers, "content-type": answer.contentType },
      })
    : new Response(null, { status: answer.status, headers });
}

export function sendError(error: OneCliError, more: Readonly<Record<string, string>> = {}): Response {
  const { status, headers, body } = errorAnswer(error);
  const fields = new Headers({ "cache-control": "no-store", ...more });
  for (let index = 0; index < headers.length; index += 2) {
    fields.set(headers[index] ?? "", headers[index + 1] ?? "");
  }
  if (error.code === "unauthorized") {
    fields.set("www-authenticate", 'Bearer realm="OneCLI"');
  }
  return new Response(body, { status, headers: fields });
}
