import OpenAI from "openai";
import { ask } from "./ask.ts";

const request = { model: "gpt-5", input: "Say hello." };

await ask(() => {
  const client = new OpenAI();
  return {
    whole: async () => (await client.responses.create(request)).output_text,
    async *pieces() {
      for await (const event of await client.responses.create({ ...request, stream: true })) {
        if (event.type === "response.output_text.delta") {
          yield event.delta;
        }
      }
    },
  };
});
