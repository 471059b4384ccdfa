// An event stream through the gateway while another extension blocks the main thread.
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { Program } from "../../test/support/program.ts";
import { type Editor, mappedHost } from "./editor.ts";
import { type Finding } from "./findings.ts";
import { type Plan } from "./plan.ts";

/** Milliseconds between two events. */
const interval = 10;
/** Milliseconds of stream before and after what is looked at. */
const margin = 500;

const outcome = z.object({ longestGap: z.number() });

/** @returns the longest gap between two events at the client, in milliseconds */
async function longestGap(
  { world }: Editor,
  env: NodeJS.ProcessEnv,
  meanwhile: () => Promise<unknown>,
): Promise<number> {
  const ended = Promise.withResolvers<undefined>();
  const begun = world.upstream.next();
  const plain = world.upstream.handler;
  world.upstream.handler = (request, response) => {
    request.resume();
    response.writeHead(200, { "content-type": "text/event-stream" });
    const timer = setInterval(() => response.write(`data: ${performance.now()}\n\n`), interval);
    void ended.promise.then(() => {
      clearInterval(timer);
      response.end();
    });
  };
  const client = new Program(
    process.execPath,
    [join(import.meta.dirname, "eventClient.ts"), mappedHost, "/v1/events"],
    { env },
  );
  await begun;
  await delay(margin);
  await meanwhile();
  await delay(margin);
  ended.resolve(undefined);
  world.upstream.handler = plain;
  const { status, stdout, stderr } = await client.ended;
  if (status !== 0) {
    throw new Error(`the event stream failed: ${stderr}`);
  }
  return outcome.parse(JSON.parse(stdout)).longestGap;
}

export async function measureStream(
  editor: Editor,
  env: NodeJS.ProcessEnv,
  { streamRounds, block }: Plan,
): Promise<Finding[]> {
  const free: number[] = [];
  const waiting: number[] = [];
  const computingElsewhere: number[] = [];
  const computing: number[] = [];
  for (let round = 1; round <= streamRounds; round++) {
    free.push(await longestGap(editor, env, () => delay(block)));
    waiting.push(await longestGap(editor, env, () => editor.probe.block("wait", block)));
    computingElsewhere.push(await longestGap(editor, env, () => editor.probe.block("child", block)));
    computing.push(await longestGap(editor, env, () => editor.probe.block("compute", block)));
  }
  const what = `Longest gap in a stream of an event every ${interval} ms, main thread`;
  const time = `${block / 1000} s`;
  return [
    { what: `${what} waiting for ${time}`, unit: "ms", values: waiting, baselines: free, target: 50 },
    {
      what: `${what} computing for ${time} (beside: a child of its does)`,
      unit: "ms",
      values: computing,
      baselines: computingElsewhere,
      target: 50,
    },
  ];
}
