// What the figures have to be.
import { type Counts } from "../scenarios/counts.ts";
import { direct, lowerBound, mockttp, proxyChain, squid } from "../contenders/peers.ts";
import { ours } from "../contenders/ours.ts";
import { type Result } from "./results.ts";

export interface Target {
  readonly what: string;
  readonly target: string;
  /** NaN where it was not measured. */
  readonly value: number;
  readonly unit: string;
  readonly isMet: boolean;
}

export function targetsOf(results: readonly Result[], counts: Counts | undefined): Target[] {
  const find = (id: string) => results.find(({ scenario }) => scenario.id === id);
  const ratio = (id: string, metric: string, other: { name: string }) =>
    find(id)?.ratio(ours.name, other.name, metric) ?? Number.NaN;
  const atMost = (what: string, value: number, limit: number, unit = "×"): Target => ({
    what,
    target: `≤ ${limit} ${unit}`,
    value,
    unit,
    isMet: value <= limit,
  });
  const atLeast = (what: string, value: number, limit: number): Target => ({
    what,
    target: `≥ ${limit} ×`,
    value,
    unit: "×",
    isMet: value >= limit,
  });
  const events = find("events");
  return [
    atMost(
      "CPU per request, 32 connections, to the lower bound",
      ratio("keep-alive-32", "cpu", lowerBound),
      1.6,
    ),
    atMost("CPU per request, 32 connections, to Squid", ratio("keep-alive-32", "cpu", squid), 0.6),
    atMost("CPU per request, 32 connections, to mockttp", ratio("keep-alive-32", "cpu", mockttp), 0.1),
    atMost("p50, 1 connection, to the lower bound", ratio("keep-alive-1", "p50", lowerBound), 1.2),
    atLeast(
      "download of 1 GB, MB/s, to the lower bound",
      ratio("download-1000000000", "rate", lowerBound),
      0.9,
    ),
    atLeast("tunnel, requests/s, to plain proxy-chain", ratio("tunnel", "perSecond", proxyChain), 0.95),
    atMost("new connection, to the lower bound", ratio("new-connection", "time", lowerBound), 1.3),
    atMost("a host's first leaf, CPU", counts?.firstLeaf ?? Number.NaN, 10, "ms"),
    atMost(
      "delay of an event that the gateway adds, p99, 1,000 streams",
      events === undefined ? Number.NaN : events.figure(ours.name, "p99") - events.figure(direct.name, "p99"),
      5,
      "ms",
    ),
    atMost("memory per open stream", events?.figure(ours.name, "memory") ?? Number.NaN, 60, "KB"),
    atMost(
      "questions to 1Password of 1,000 requests at once, to those of one",
      counts === undefined ? Number.NaN : counts.readsOfMany / counts.readsOfOne,
      1,
    ),
  ];
}
