// What the programs on the vendors' SDKs have in common: ask, and say what comes, one JSON line each.
import { z } from "zod";

const outcome = { mode: z.enum(["whole", "stream"]), requests: z.number() };

export const line = z.union([
  z.strictObject({ piece: z.string() }),
  z.strictObject({ ...outcome, answer: z.string() }),
  z.strictObject({ ...outcome, error: z.string(), status: z.number(), message: z.string() }),
]);
export type Line = z.infer<typeof line>;

interface Ask {
  readonly whole: () => Promise<string | null | undefined>;
  readonly pieces: () => AsyncIterable<string | null | undefined>;
}

/** Asks for a whole answer, then for a streamed one; an SDK's exception is told, not thrown. */
export async function ask(makeClient: () => Ask): Promise<void> {
  let requests = 0;
  const ownFetch = globalThis.fetch;
  // Each try of an SDK is a fetch.
  globalThis.fetch = (...args: Parameters<typeof fetch>) => {
    requests++;
    return ownFetch(...args);
  };
  const client = makeClient();
  const modes = {
    whole: async () => (await client.whole()) ?? "",
    async stream() {
      let answer = "";
      for await (const piece of client.pieces()) {
        if (typeof piece === "string" && piece !== "") {
          answer += piece;
          say({ piece });
        }
      }
      return answer;
    },
  };
  for (const mode of ["whole", "stream"] as const) {
    requests = 0;
    try {
      const answer = await modes[mode]();
      say({ mode, requests, answer });
    } catch (error) {
      const { name, message, status } = error as Error & { status: number };
      say({ mode, requests, error: name, status, message });
    }
  }
}

function say(what: Line): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}
