import Anthropic from "@anthropic-ai/sdk";
import { ask } from "./ask.ts";

const request: Anthropic.MessageCreateParamsNonStreaming = {
  model: "claude-sonnet-4-5",
  max_tokens: 100,
  messages: [{ role: "user", content: "Say hello." }],
};

await ask(() => {
  const client = new Anthropic();
  return {
    async whole() {
      const { content } = await client.messages.create(request);
      return content.map((block) => (block.type === "text" ? block.text : "")).join("");
    },
    async *pieces() {
      for await (const event of client.messages.stream(request)) {
        if (event.type === "content_block_delta" && event.delta.type === "text_delta") {
          yield event.delta.text;
        }
      }
    },
  };
});
