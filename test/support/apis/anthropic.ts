// The Messages API: https://docs.claude.com/en/api/messages, its stream: …/messages-streaming.
import { z } from "zod";
import { type Api, bearerOf, fieldOf, joined, json, type Reply, type ServerEvent } from "./api.ts";

const block = z.looseObject({ type: z.string(), content: z.unknown().optional() });
const messagesRequest = z.looseObject({
  model: z.string(),
  stream: z.boolean().default(false),
  messages: z.array(z.looseObject({ content: z.union([z.string(), z.array(block)]) })),
  tools: z.array(z.looseObject({ name: z.string().optional() })).default([]),
});

export const anthropicApi: Api = {
  host: "api.anthropic.com",
  // Where both are sent, the bearer token counts.
  keyOf: (headers) => bearerOf(headers) ?? fieldOf(headers, "x-api-key"),
  refusal: {
    status: 401,
    body: { type: "error", error: { type: "authentication_error", message: "invalid x-api-key" } },
  },
  async answer({ path, body }, model) {
    if (path.startsWith("/v1/messages/count_tokens")) {
      return json({ input_tokens: 1 });
    }
    if (!path.startsWith("/v1/messages")) {
      return json({ type: "error", error: { type: "not_found_error", message: "Not found" } }, 404);
    }
    const request = messagesRequest.parse(JSON.parse(body));
    const reply = model({
      tools: request.tools.flatMap(({ name }) => name ?? []),
      toolOutputs: request.messages
        .flatMap(({ content }) => (typeof content === "string" ? [] : content))
        .filter(({ type }) => type === "tool_result")
        .map(({ content }) => JSON.stringify(content)),
    });
    if (request.stream) {
      return { kind: "events", events: stream(reply, request.model) };
    }
    const message = { ...head(request.model), stop_reason: stopReason(reply) };
    if (reply.kind === "tool") {
      return json({ ...message, content: [{ ...toolUse(reply), input: reply.input }] });
    }
    return json({ ...message, content: [{ type: "text", text: await joined(reply.pieces) }] });
  },
};

async function* stream(reply: Reply, model: string): AsyncGenerator<ServerEvent> {
  yield named({ type: "message_start", message: head(model) });
  const content_block = reply.kind === "tool" ? { ...toolUse(reply), input: {} } : { type: "text", text: "" };
  yield named({ type: "content_block_start", index: 0, content_block });
  if (reply.kind === "tool") {
    const delta = { type: "input_json_delta", partial_json: JSON.stringify(reply.input) };
    yield named({ type: "content_block_delta", index: 0, delta });
  } else {
    for await (const text of reply.pieces) {
      yield named({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } });
    }
  }
  yield named({ type: "content_block_stop", index: 0 });
  const delta = { stop_reason: stopReason(reply), stop_sequence: null };
  yield named({ type: "message_delta", delta, usage: { output_tokens: 1 } });
  yield named({ type: "message_stop" });
}

const named = (data: { readonly type: string } & Record<string, unknown>): ServerEvent => ({
  event: data.type,
  data,
});

const head = (model: string) => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  model,
  content: [],
  stop_reason: null,
  stop_sequence: null,
  usage: { input_tokens: 1, output_tokens: 1 },
});

const toolUse = ({ name }: { name: string }) => ({ type: "tool_use", id: "toolu_1", name });

const stopReason = ({ kind }: Reply) => (kind === "tool" ? "tool_use" : "end_turn");
