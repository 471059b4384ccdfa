// generateContent and streamGenerateContent: https://ai.google.dev/api/generate-content.
import { z } from "zod";
import { type Api, fieldOf, joined, json, type Reply, type ServerEvent } from "./api.ts";

const generateRequest = z.looseObject({
  contents: z.array(
    z.looseObject({
      parts: z.array(z.looseObject({ functionResponse: z.unknown().optional() })).default([]),
    }),
  ),
  tools: z
    .array(z.looseObject({ functionDeclarations: z.array(z.looseObject({ name: z.string() })).default([]) }))
    .default([]),
});

export const geminiApi: Api = {
  host: "generativelanguage.googleapis.com",
  keyOf: (headers) => fieldOf(headers, "x-goog-api-key"),
  refusal: {
    status: 400,
    body: {
      error: {
        code: 400,
        message: "API key not valid. Please pass a valid API key.",
        status: "INVALID_ARGUMENT",
      },
    },
  },
  async answer({ path, body }, model) {
    const [, modelVersion = "", method] = /^\/v1(?:beta)?\/models\/([^:?]+):(\w+)/.exec(path) ?? [];
    switch (method) {
      case "countTokens":
        return json({ totalTokens: 1 });
      case "generateContent":
      case "streamGenerateContent":
        break;
      default:
        return json({ error: { code: 404, message: "Not found", status: "NOT_FOUND" } }, 404);
    }
    const request = generateRequest.parse(JSON.parse(body));
    const reply = model({
      tools: request.tools.flatMap(({ functionDeclarations }) =>
        functionDeclarations.map(({ name }) => name),
      ),
      toolOutputs: request.contents
        .flatMap(({ parts }) => parts)
        .filter(({ functionResponse }) => functionResponse !== undefined)
        .map(({ functionResponse }) => JSON.stringify(functionResponse)),
    });
    if (method === "streamGenerateContent") {
      return { kind: "events", events: stream(reply, modelVersion) };
    }
    const part =
      reply.kind === "tool" ? { functionCall: functionCall(reply) } : { text: await joined(reply.pieces) };
    return json(chunk(modelVersion, [part], "STOP"));
  },
};

async function* stream(reply: Reply, modelVersion: string): AsyncGenerator<ServerEvent> {
  if (reply.kind === "tool") {
    yield { data: chunk(modelVersion, [{ functionCall: functionCall(reply) }], "STOP") };
    return;
  }
  for await (const text of reply.pieces) {
    yield { data: chunk(modelVersion, [{ text }]) };
  }
  yield { data: chunk(modelVersion, [{ text: "" }], "STOP") };
}

const functionCall = ({ name, input }: Reply & { kind: "tool" }) => ({ name, args: input });

const chunk = (modelVersion: string, parts: readonly object[], finishReason?: string) => ({
  candidates: [{ content: { role: "model", parts }, finishReason, index: 0 }],
  usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 },
  modelVersion,
  responseId: "response_1",
});
