import { GoogleGenAI } from "@google/genai";
import { ask } from "./ask.ts";

const request = { model: "gemini-2.5-flash", contents: "Say hello." };

await ask(() => {
  const client = new GoogleGenAI({});
  return {
    whole: async () => (await client.models.generateContent(request)).text,
    async *pieces() {
      for await (const { text } of await client.models.generateContentStream(request)) {
        yield text;
      }
    },
  };
});
