import { once } from "node:events";
import { type TLSSocket } from "node:tls";
import { WebSocket } from "ws";
import { memoryOf } from "../../test/support/processTree.ts";
import { failAtClose, getHead, openTls } from "../support/clients.ts";
import { quantile } from "../support/statistics.ts";
import { costOf, micros, millis, type Scenario } from "./scenario.ts";

const streamCount = 1000;
/** Streams that are being opened at a time. The first of them are not counted: code is read and compiled for them. */
const openers = 32;

/** Server-sent events: 1,000 streams are open, and each has an event a second. */
export const events: Scenario = {
  id: "events",
  title: "1,000 streams of server-sent events",
  isFresh: true,
  metrics: {
    p50: { title: "delay, p50", ...millis },
    p99: { title: "delay, p99", ...millis },
    memory: { title: "memory per stream", unit: "KB", better: "lower", of: "max" },
  },
  suits: ({ tunnelsOnly }) => tunnelsOnly !== true,
  measure: async (contender, world, seconds) => {
    const origin = world.origins.streams;
    const delays: number[] = [];
    const sockets: TLSSocket[] = [];
    let isOver: (() => void) | undefined;
    const memory = () => (contender.pid === undefined ? Number.NaN : memoryOf(contender.pid));
    let left = 0;
    try {
      const openSome = async () => {
        while (left-- > 0) {
          const socket = await openTls(contender, origin);
          sockets.push(socket);
          socket.write(getHead(origin, "/events?every=1000"));
          await once(socket, "data");
          socket.on("data", (chunk: Buffer) => {
            const now = process.hrtime.bigint();
            for (const [, sentAt = "0"] of chunk.toString("latin1").matchAll(/data: (\d+)/g)) {
              delays.push(Number(now - BigInt(sentAt)) / 1e6);
            }
            if (delays.length > streamCount * (seconds + 1)) {
              isOver?.();
            }
          });
        }
      };
      const open = (count: number) => {
        left = count;
        return Promise.all(Array.from({ length: openers }, openSome));
      };
      await open(openers);
      const before = memory();
      await open(streamCount);
      // What came while streams were being opened is not counted.
      delays.length = 0;
      await new Promise<void>((resolve) => (isOver = resolve));
      return {
        p50: quantile(delays, 0.5),
        p99: quantile(delays, 0.99),
        memory: (memory() - before) / streamCount / 1024,
      };
    } finally {
      sockets.forEach((socket) => socket.destroy());
    }
  },
};

/** A message of 100 bytes to and fro on each of 32 connections. */
export const webSockets: Scenario = {
  id: "web-sockets",
  title: "WebSocket echo, 32 connections",
  metrics: {
    p50: { title: "p50", ...micros },
    p99: { title: "p99", ...micros },
    cpu: { title: "CPU per echo", ...micros },
  },
  suits: ({ tunnelsOnly }) => tunnelsOnly !== true,
  measure: async (contender, world, seconds) => {
    const origin = world.origins.streams;
    const message = "x".repeat(100);
    const sockets = await Promise.all(
      Array.from({ length: openers }, async () => {
        const tls = await openTls(contender, origin);
        const socket = new WebSocket(origin.replace("https:", "wss:"), { createConnection: () => tls });
        failAtClose(socket);
        await once(socket, "open");
        return socket;
      }),
    );
    const times: number[] = [];
    const until = performance.now() + seconds * 1000;
    const { cpu } = await costOf(contender, () =>
      Promise.all(
        sockets.map(async (socket) => {
          while (performance.now() < until) {
            const start = performance.now();
            socket.send(message);
            await once(socket, "message");
            times.push((performance.now() - start) * 1000);
          }
        }),
      ),
    );
    sockets.forEach((socket) => socket.terminate());
    return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), cpu: (cpu / times.length) * 1e6 };
  },
};
