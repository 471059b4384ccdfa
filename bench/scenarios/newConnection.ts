import { once } from "node:events";
import { getHead, openTls } from "../support/clients.ts";
import { median } from "../support/statistics.ts";
import { costOf, micros, millis, type Scenario } from "./scenario.ts";

/** CONNECT, TLS and the first answer; the leaf is at hand. One after the other. */
export const newConnection: Scenario = {
  id: "new-connection",
  title: "A connection and its first answer",
  metrics: {
    time: { title: "p50", ...millis },
    cpu: { title: "CPU", ...micros },
  },
  suits: ({ tunnelsOnly }) => tunnelsOnly !== true,
  measure: async (contender, world, seconds) => {
    const { http1 } = world.origins;
    const times: number[] = [];
    const until = performance.now() + seconds * 1000;
    const { cpu } = await costOf(contender, async () => {
      do {
        const start = performance.now();
        const socket = await openTls(contender, http1);
        socket.write(getHead(http1, "/"));
        await once(socket, "data");
        times.push(performance.now() - start);
        socket.destroy();
      } while (performance.now() < until);
    });
    return { time: median(times), cpu: (cpu / times.length) * 1e6 };
  },
};
