// How cost grows: with mappings, connections, the size of a body, and the requests on a connection.
import { once } from "node:events";
import { type Contender, type Running } from "../contenders/contender.ts";
import { lowerBound } from "../contenders/peers.ts";
import { ours, startOurs } from "../contenders/ours.ts";
import { getHead, openTls } from "../support/clients.ts";
import { keepAlive, requestsFor } from "./keepAlive.ts";
import { costOf, micros, type Scenario } from "./scenario.ts";
import { download } from "./transfer.ts";

export interface Growth {
  readonly title: string;
  /** Of the scenarios' metrics, the ones that are shown. */
  readonly metrics: readonly string[];
  readonly steps: readonly {
    readonly title: string;
    readonly scenario: Scenario;
    readonly contenders: readonly Contender[];
  }[];
}

const both = [ours, lowerBound];

export const growths: readonly Growth[] = [
  {
    title: "Mappings",
    metrics: ["cpu", "p50"],
    steps: [1, 10, 100, 1000].map((count) => ({
      title: String(count),
      // Each is a process of its own, which begins without compiled code.
      scenario: { ...keepAlive(32), warmUp: 10 },
      contenders: [withMappings(count)],
    })),
  },
  {
    title: "Connections",
    metrics: ["cpu", "p50"],
    steps: [1, 10, 100, 1000].map((count) => ({
      title: String(count),
      scenario: allOpen(count),
      contenders: both,
    })),
  },
  {
    title: "Size of an answer's body",
    metrics: ["cpu", "rate"],
    steps: [
      ...[1e3, 1e4, 1e5, 1e6].map((size) => ({
        title: titleOf(size),
        scenario: bodies(size),
        contenders: both,
      })),
      ...[1e7, 1e8, 1e9].map((size) => ({
        title: titleOf(size),
        scenario: download(size),
        contenders: both,
      })),
    ],
  },
  {
    title: "Requests on a connection",
    metrics: ["cpu"],
    steps: [1, 10, 100, 1000, 10_000].map((count) => ({
      title: String(count),
      scenario: perConnection(count),
      contenders: both,
    })),
  },
];

function withMappings(count: number): Contender {
  const hostnames = Array.from({ length: count - 1 }, (_, index) => `api-${index}.example.com`);
  return { name: ours.name, start: (world) => startOurs(world, `mappings-${count}`, hostnames) };
}

/** Long enough for so many connections to be opened, one after the other; their cost is in the figure. */
function allOpen(count: number): Scenario {
  const scenario = keepAlive(count);
  return {
    ...scenario,
    measure: (contender, world, seconds) =>
      scenario.measure(contender, world, Math.max(seconds, count / 100)),
  };
}

/** A power of ten of bytes. */
function titleOf(size: number): string {
  const [unit, name] = (
    [
      [1e9, "GB"],
      [1e6, "MB"],
      [1e3, "KB"],
    ] as const
  ).find(([unit]) => size >= unit)!;
  return `${size / unit} ${name}`;
}

/** Answers of a size, one after the other on one connection. */
function bodies(size: number): Scenario {
  return {
    ...download(size),
    measure: async (contender, world, seconds) => {
      const { path } = await world.file(size);
      const { requests, cpu } = await requestsFor(contender, world, 1, seconds, world.origins.http1 + path);
      const megabytes = (requests * size) / 1e6;
      return { rate: megabytes / seconds, cpu: (cpu / megabytes) * 1e6 };
    },
  };
}

/** So many requests on each connection, one after the other, by a client of our own. */
function perConnection(count: number): Scenario {
  return {
    id: `per-connection-${count}`,
    title: `${count} requests on a connection`,
    metrics: { cpu: { title: "CPU per request", ...micros } },
    suits: () => true,
    measure: async (contender: Running, world, seconds) => {
      const { http1 } = world.origins;
      const until = performance.now() + seconds * 1000;
      let requests = 0;
      const { cpu } = await costOf(contender, async () => {
        do {
          const socket = await openTls(contender, http1);
          for (let index = 0; index < count; index++) {
            socket.write(getHead(http1, "/"));
            await once(socket, "data");
          }
          requests += count;
          socket.destroy();
        } while (performance.now() < until);
      });
      return { cpu: (cpu / requests) * 1e6 };
    },
  };
}
