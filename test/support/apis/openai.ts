// The Responses API (https://platform.openai.com/docs/api-reference/responses), over POST and over WebSocket, and
// Chat Completions (…/chat).
import { z } from "zod";
import {
  type Api,
  type ApiAnswer,
  bearerOf,
  joined,
  json,
  type Model,
  type Prompt,
  type Reply,
  type ServerEvent,
} from "./api.ts";

const responsesRequest = z.looseObject({
  model: z.string(),
  stream: z.boolean().default(false),
  input: z.union([
    z.string(),
    z.array(z.looseObject({ type: z.string().optional(), output: z.unknown().optional() })),
  ]),
  tools: z.array(z.looseObject({ name: z.string().optional() })).nullish(),
});
type ResponsesRequest = z.infer<typeof responsesRequest>;

/** `generate: false` asks for nothing yet: the client opens the connection ahead of its first prompt. */
const socketMessage = responsesRequest.extend({
  type: z.literal("response.create"),
  generate: z.boolean().default(true),
});

const chatRequest = z.looseObject({
  model: z.string(),
  stream: z.boolean().default(false),
  messages: z.array(z.looseObject({ role: z.string(), content: z.unknown() })),
  tools: z.array(z.looseObject({ function: z.looseObject({ name: z.string() }).optional() })).default([]),
});

export const openaiApi: Api = {
  host: "api.openai.com",
  keyOf: bearerOf,
  refusal: {
    status: 401,
    body: {
      error: {
        message: "Incorrect API key provided.",
        type: "invalid_request_error",
        param: null,
        code: "invalid_api_key",
      },
    },
  },
  answer({ path, body }, model) {
    switch (new URL(path, "https://api.openai.com").pathname) {
      case "/v1/responses":
        return answerResponse(responsesRequest.parse(JSON.parse(body)), model);
      case "/v1/chat/completions":
        return answerChat(body, model);
      case "/v1/models":
        return json({ object: "list", data: [] });
      default:
        return json({ error: { message: "Not found", type: "invalid_request_error" } }, 404);
    }
  },
  message(text, model) {
    const message = socketMessage.parse(JSON.parse(text));
    return message.generate
      ? responseEvents(model(promptOf(message)), message.model)
      : responseEvents(undefined, message.model);
  },
};

function promptOf({ input, tools }: ResponsesRequest): Prompt {
  return {
    tools: (tools ?? []).flatMap(({ name }) => name ?? []),
    toolOutputs: (typeof input === "string" ? [] : input)
      .filter(({ type }) => type === "function_call_output")
      .map(({ output }) => JSON.stringify(output)),
  };
}

async function answerResponse(request: ResponsesRequest, model: Model): Promise<ApiAnswer> {
  const reply = model(promptOf(request));
  if (request.stream) {
    return { kind: "events", events: responseEvents(reply, request.model) };
  }
  const item =
    reply.kind === "tool"
      ? functionCall(reply, "completed")
      : message(await joined(reply.pieces), "completed");
  return json(response(request.model, "completed", [item]));
}

async function* responseEvents(reply: Reply | undefined, model: string): AsyncGenerator<ServerEvent> {
  let sequence_number = 0;
  const event = (type: string, data: Record<string, unknown>): ServerEvent => ({
    event: type,
    data: { type, sequence_number: sequence_number++, ...data },
  });
  yield event("response.created", { response: response(model, "in_progress", []) });
  const output: object[] = [];
  if (reply?.kind === "tool") {
    const at = { output_index: 0, item_id: "fc_1" };
    const call = functionCall(reply, "completed");
    yield event("response.output_item.added", {
      ...at,
      item: { ...functionCall(reply, "in_progress"), arguments: "" },
    });
    yield event("response.function_call_arguments.delta", { ...at, delta: call.arguments });
    yield event("response.function_call_arguments.done", { ...at, arguments: call.arguments });
    yield event("response.output_item.done", { ...at, item: call });
    output.push(call);
  } else if (reply !== undefined) {
    const at = { output_index: 0, item_id: "msg_1", content_index: 0 };
    yield event("response.output_item.added", { ...at, item: message("", "in_progress") });
    yield event("response.content_part.added", { ...at, part: outputText("") });
    let text = "";
    for await (const delta of reply.pieces) {
      text += delta;
      yield event("response.output_text.delta", { ...at, delta, logprobs: [] });
    }
    yield event("response.output_text.done", { ...at, text, logprobs: [] });
    yield event("response.content_part.done", { ...at, part: outputText(text) });
    yield event("response.output_item.done", { ...at, item: message(text, "completed") });
    output.push(message(text, "completed"));
  }
  yield event("response.completed", { response: response(model, "completed", output) });
}

type ItemStatus = "in_progress" | "completed";

const response = (model: string, status: ItemStatus, output: readonly object[]) => ({
  id: "resp_1",
  object: "response",
  created_at: 1,
  status,
  model,
  output,
  error: null,
  incomplete_details: null,
  instructions: null,
  metadata: {},
  parallel_tool_calls: false,
  tool_choice: "auto",
  tools: [],
  usage: {
    input_tokens: 1,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 1,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 2,
  },
});

const outputText = (text: string) => ({ type: "output_text", text, annotations: [], logprobs: [] });

const message = (text: string, status: ItemStatus) => ({
  type: "message",
  id: "msg_1",
  status,
  role: "assistant",
  content: status === "completed" ? [outputText(text)] : [],
});

const functionCall = ({ name, input }: Reply & { kind: "tool" }, status: ItemStatus) => ({
  type: "function_call",
  id: "fc_1",
  call_id: "call_1",
  name,
  arguments: JSON.stringify(input),
  status,
});

/** Chat Completions, which other vendors serve as well. */
export async function answerChat(body: string, model: Model): Promise<ApiAnswer> {
  const request = chatRequest.parse(JSON.parse(body));
  const reply = model({
    tools: request.tools.flatMap((tool) => tool.function?.name ?? []),
    toolOutputs: request.messages
      .filter(({ role }) => role === "tool")
      .map(({ content }) => JSON.stringify(content)),
  });
  if (request.stream) {
    return { kind: "events", events: chatChunks(reply, request.model) };
  }
  const message =
    reply.kind === "tool"
      ? { role: "assistant", content: null, tool_calls: [toolCall(reply)] }
      : { role: "assistant", content: await joined(reply.pieces), refusal: null };
  const choice = { index: 0, message, logprobs: null, finish_reason: finishReason(reply) };
  return json({ ...completion("chat.completion", request.model), choices: [choice], usage });
}

async function* chatChunks(reply: Reply, model: string): AsyncGenerator<ServerEvent> {
  const chunk = (delta: object, finish_reason: string | null = null): ServerEvent => ({
    data: {
      ...completion("chat.completion.chunk", model),
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
    },
  });
  yield chunk({ role: "assistant", content: "" });
  if (reply.kind === "tool") {
    yield chunk({ tool_calls: [{ index: 0, ...toolCall(reply) }] });
  } else {
    for await (const content of reply.pieces) {
      yield chunk({ content });
    }
  }
  yield chunk({}, finishReason(reply));
  yield { data: { ...completion("chat.completion.chunk", model), choices: [], usage } };
  yield { data: "[DONE]" };
}

const completion = (object: string, model: string) => ({ id: "chatcmpl_1", object, created: 1, model });

const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };

const toolCall = ({ name, input }: Reply & { kind: "tool" }) => ({
  id: "call_1",
  type: "function",
  function: { name, arguments: JSON.stringify(input) },
});

const finishReason = ({ kind }: Reply) => (kind === "tool" ? "tool_calls" : "stop");
