// What Copilot CLI asks of GitHub and of Copilot's own API. Neither is documented: this is what the client wants to see.
import { type Api, bearerOf, json } from "./api.ts";
import { answerChat } from "./openai.ts";

const copilotHost = "api.githubcopilot.com";

export const githubApi: Api = {
  host: "api.github.com",
  keyOf: bearerOf,
  refusal: { status: 401, body: { message: "Bad credentials", status: "401" } },
  answer({ path }) {
    if (path === "/copilot_internal/user") {
      return json({
        login: "octocat",
        access_type_sku: "free_educational",
        copilot_plan: "individual",
        chat_enabled: true,
        endpoints: { api: `https://${copilotHost}` },
      });
    }
    return path === "/user"
      ? json({ login: "octocat", id: 1 })
      : json({ message: "Not Found", status: "404" }, 404);
  },
};

export const copilotApi: Api = {
  host: copilotHost,
  keyOf: bearerOf,
  refusal: { status: 401, body: { error: { message: "unauthorized: token is invalid" } } },
  answer({ path, body }, model) {
    switch (path) {
      case "/models":
        return json({ data: [chatModel] });
      case "/chat/completions":
        return answerChat(body, model);
      default:
        return json({ error: { message: "Not found" } }, 404);
    }
  },
};

const chatModel = {
  object: "model",
  id: "claude-sonnet-4.5",
  name: "Claude Sonnet 4.5",
  vendor: "Anthropic",
  version: "claude-sonnet-4.5",
  model_picker_enabled: true,
  billing: { is_premium: false, multiplier: 0 },
  policy: { state: "enabled" },
  supported_endpoints: ["/chat/completions"],
  capabilities: {
    object: "model_capabilities",
    family: "claude-sonnet-4.5",
    type: "chat",
    tokenizer: "o200k_base",
    limits: { max_context_window_tokens: 128_000, max_prompt_tokens: 64_000, max_output_tokens: 16_000 },
    supports: { streaming: true, tool_calls: true },
  },
};
