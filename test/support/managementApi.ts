// A client of the management API that holds every answer against the API's own OpenAPI document.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type IncomingMessage, type OutgoingHttpHeaders, request as httpRequest } from "node:http";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { z } from "zod";
import { type ServingLine } from "./program.ts";

const mediaTypes = z.record(z.string(), z.object({ schema: z.record(z.string(), z.unknown()) }));
const documentSchema = z.looseObject({
  openapi: z.string(),
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.looseObject({ responses: z.record(z.string(), z.looseObject({ content: mediaTypes.optional() })) }),
    ),
  ),
  components: z.looseObject({ schemas: z.record(z.string(), z.unknown()) }),
});
export type OpenApiDocument = z.infer<typeof documentSchema>;

export interface ApiAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

interface ApiRequest {
  readonly json?: unknown;
  /** Sent as it is. */
  readonly body?: string | Buffer;
  /** `undefined` leaves out what is sent otherwise. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

const errorShape = z.object({
  error: z.object({ code: z.string(), message: z.string(), hint: z.string(), docs: z.string() }),
});

export class ApiClient {
  readonly port: number;
  readonly token: string;
  readonly document: OpenApiDocument;
  /** Everything that was answered. */
  readonly heard: string[] = [];
  /** Operations and statuses that were seen: "getStatus 200". */
  readonly seen = new Set<string>();
  readonly #ajv = new Ajv2020({ strict: false });
  readonly #validators = new Map<string, ValidateFunction>();

  private constructor(port: number, token: string, document: OpenApiDocument) {
    this.port = port;
    this.token = token;
    this.document = document;
    formats(this.#ajv);
  }

  static async open(port: number, token: string): Promise<ApiClient> {
    const headers = { authorization: `Bearer ${token}` };
    const { text } = await send(port, "GET", "/api/openapi.json", { headers });
    return new ApiClient(port, token, documentSchema.parse(JSON.parse(text)));
  }

  static async ofServing({ api }: ServingLine): Promise<ApiClient> {
    assert.ok(api, "the API is on");
    return ApiClient.open(Number(new URL(api.url).port), (await readFile(api.tokenFile, "utf8")).trim());
  }

  /** The answer, which is one that the document describes. */
  async ask(method: string, path: string, { json, body, headers = {} }: ApiRequest = {}): Promise<ApiAnswer> {
    const answer = await send(this.port, method, path, {
      body: body ?? (json === undefined ? undefined : JSON.stringify(json)),
      headers: {
        authorization: `Bearer ${this.token}`,
        ...((json !== undefined || body !== undefined) && { "content-type": "application/json" }),
        ...headers,
      },
    });
    this.heard.push(answer.text, JSON.stringify(answer.headers));
    this.#check(method, path, answer);
    return answer;
  }

  /** The JSON of an answer with this status. */
  async get(status: number, method: string, path: string, request?: ApiRequest): Promise<unknown> {
    const answer = await this.ask(method, path, request);
    assert.equal(answer.status, status, answer.text);
    return answer.text === "" ? undefined : (JSON.parse(answer.text) as unknown);
  }

  /** The message of a refusal with this code. */
  async refused(code: string, method: string, path: string, request?: ApiRequest): Promise<string> {
    const answer = await this.ask(method, path, request);
    const { error } = errorShape.parse(JSON.parse(answer.text));
    assert.equal(error.code, code, answer.text);
    assert.equal(answer.headers["x-onecli-error"], code);
    assert.ok(error.docs.endsWith(`#${code}`));
    return error.message;
  }

  #check(method: string, path: string, { status, headers, text }: ApiAnswer): void {
    const [plain = ""] = path.split("?", 1);
    const template = plain.replace(/(\/mappings)\/[^/]+/, "$1/{hostname}");
    const operation = this.document.paths[template]?.[method.toLowerCase()];
    if (operation === undefined) {
      if (plain !== "/api/openapi.json") {
        this.#validate("#/components/schemas/Error", text);
      }
      return;
    }
    const response = operation.responses[status];
    assert.ok(response, `${method} ${template} may answer ${status}: ${text}`);
    this.seen.add(`${String(operation["operationId"])} ${status}`);
    const [type = "", media] = Object.entries(response.content ?? {})[0] ?? [];
    assert.equal(headers["content-type"] ?? "", type);
    if (type === "application/json") {
      this.#validate(String(media?.schema["$ref"]), text);
    } else if (media === undefined) {
      assert.equal(text, "");
    }
  }

  #validate(reference: string, text: string): void {
    let validate = this.#validators.get(reference);
    if (validate === undefined) {
      const { components } = this.document;
      validate = this.#ajv.compile({ $ref: reference, components });
      this.#validators.set(reference, validate);
    }
    assert.ok(validate(JSON.parse(text)), `${reference}: ${JSON.stringify(validate.errors)} of ${text}`);
  }
}

interface RawRequest {
  readonly body?: string | Buffer | undefined;
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

/** A request as it is given, whatever is wrong with it. */
export async function send(
  port: number,
  method: string,
  path: string,
  { body, headers = {} }: RawRequest = {},
): Promise<ApiAnswer> {
  const given: OutgoingHttpHeaders = Object.fromEntries(
    Object.entries(headers).filter(([, value]) => value !== undefined),
  );
  if (body !== undefined && headers["transfer-encoding"] === undefined) {
    given["content-length"] = Buffer.byteLength(body);
  }
  const request = httpRequest({ host: "127.0.0.1", port, method, path, headers: given, agent: false });
  // The answer may come, and the connection end, before all was sent.
  request.on("error", () => undefined);
  const response = once(request, "response");
  request.end(body);
  const [message] = (await Promise.race([
    response,
    once(request, "close").then(() => {
      throw new Error("the connection ended without an answer");
    }),
  ])) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of message) {
    chunks.push(chunk as Buffer);
  }
  return {
    status: message.statusCode ?? 0,
    headers: message.headers,
    text: Buffer.concat(chunks).toString("utf8"),
  };
}
