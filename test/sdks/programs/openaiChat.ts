import OpenAI from "openai";
import { ask } from "./ask.ts";

const request: OpenAI.ChatCompletionCreateParams = {
  model: "gpt-5",
  messages: [{ role: "user", content: "Say hello." }],
};

await ask(() => {
  const client = new OpenAI();
  return {
    whole: async () => (await client.chat.completions.create(request)).choices[0]?.message.content,
    async *pieces() {
      for await (const { choices } of await client.chat.completions.create({ ...request, stream: true })) {
        yield choices[0]?.delta.content;
      }
    },
  };
});
