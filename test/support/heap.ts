// What lives in the heap of a program, asked from outside by its inspector.
import { once } from "node:events";
import { type RawData, WebSocket } from "ws";
import { z } from "zod";
import { type Program } from "./program.ts";

/** For a program whose heap will be asked for: `NODE_OPTIONS`. */
export const inspected = "--inspect=127.0.0.1:0";

const reply = z.object({ id: z.number(), result: z.object({ usedSize: z.number().optional() }) });

/** Bytes in a program's heap after a collection; buffers and native memory are not in it. */
export async function liveBytes(program: Program): Promise<number> {
  const [, url = ""] = await program.said("stderr", /Debugger listening on (ws:\S+)/);
  const socket = new WebSocket(url);
  await once(socket, "open");
  let used = 0;
  // A second collection takes what the first one's finalizers have let go of.
  const methods = [
    "HeapProfiler.collectGarbage",
    "HeapProfiler.collectGarbage",
    "Runtime.getHeapUsage",
  ] as const;
  for (const [id, method] of methods.entries()) {
    socket.send(JSON.stringify({ id, method }));
    const [data] = (await once(socket, "message")) as [RawData];
    used = reply.parse(JSON.parse((data as Buffer).toString())).result.usedSize ?? 0;
  }
  socket.close();
  return used;
}
