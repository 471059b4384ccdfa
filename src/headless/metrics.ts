// What Prometheus asks for. Every label has as many values as the configuration and the tables of this program: hosts that
// are not mapped, paths and agents are none.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { type ErrorCode } from "../core/errors.ts";
import { type Gateway } from "../gateway/gateway.ts";
import { type ActivityRecord } from "../shared/gatewayProtocol.ts";
import { type LiveConfig } from "./reload.ts";
import { version } from "../shared/version.ts";

/** Seconds: from an answer of a machine nearby to one that a model writes for minutes. */
const buckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

const perMapping = ["kind", "source", "mapping"] as const;

export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Counter<"kind" | "source" | "mapping" | "status" | "error">;
  readonly #head: Histogram<(typeof perMapping)[number]>;
  readonly #duration: Histogram<(typeof perMapping)[number]>;
  readonly #lookups: Counter<"mapping" | "result">;
  readonly #questions: Counter<"outcome">;
  /** Ids of the mappings and stored secrets that there are. */
  #ids: () => readonly string[] = () => [];

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    new Gauge({
      name: "onecli_build_info",
      help: "1, with the versions of the gateway and of Node.",
      labelNames: ["version", "node"],
      registers,
    }).set({ version, node: process.versions.node }, 1);
    this.#requests = new Counter({
      name: "onecli_requests_total",
      help: "Requests and tunnels that are over, by mapping, class of status (none: the client left) and error of the gateway.",
      labelNames: [...perMapping, "status", "error"],
      registers,
    });
    this.#head = new Histogram({
      name: "onecli_request_head_seconds",
      help: "Time to the head of the answer.",
      labelNames: perMapping,
      buckets,
      registers,
    });
    this.#duration = new Histogram({
      name: "onecli_request_duration_seconds",
      help: "Time to the end of the answer.",
      labelNames: perMapping,
      buckets,
      registers,
    });
    this.#lookups = new Counter({
      name: "onecli_secret_lookups_total",
      help: "Secrets that a request needed: at hand (hit), or asked of 1Password (miss).",
      labelNames: ["mapping", "result"],
      registers,
    });
    this.#questions = new Counter({
      name: "onecli_onepassword_questions_total",
      help: "Questions to 1Password, by their outcome.",
      labelNames: ["outcome"],
      registers,
    });
  }

  /** Follows a gateway from now on. */
  follow(
    gateway: Pick<Gateway, "activity" | "load" | "mappings">,
    live: Pick<LiveConfig, "isGood" | "config">,
  ): void {
    const registers = [this.#registry];
    this.#ids = () => [...gateway.mappings, ...live.config.storedSecrets].map(({ id }) => id);
    gateway.activity.subscribe((record) => this.#observe(record));
    new Gauge({
      name: "onecli_connections",
      help: "Open connections of clients.",
      registers,
      collect() {
        this.set(gateway.load.connections);
      },
    });
    new Gauge({
      name: "onecli_tunnels",
      help: "Those of them that are tunnels to hosts which are not mapped.",
      registers,
      collect() {
        this.set(gateway.load.tunnels);
      },
    });
    new Gauge({
      name: "onecli_configuration_good",
      help: "1 where the files, as they are, are in use; 0 where an earlier state stays in use.",
      registers,
      collect() {
        this.set(live.isGood ? 1 : 0);
      },
    });
  }

  questioned(outcome: ErrorCode | "ok"): void {
    this.#questions.inc({ outcome });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async text(): Promise<string> {
    await this.#forgetRemoved();
    return this.#registry.metrics();
  }

  /** What is no longer configured is no longer told of: there are as many series as mappings, however often they change. */
  async #forgetRemoved(): Promise<void> {
    const ids = new Set(["", ...this.#ids()]);
    for (const metric of [this.#requests, this.#head, this.#duration, this.#lookups]) {
      const { values } = await metric.get();
      for (const { labels } of values) {
        const { le: _bucket, ...own } = labels as Record<string, string>;
        if (!ids.has(own["mapping"] ?? "")) {
          metric.remove(own as never);
        }
      }
    }
  }

  #observe({ kind, source, mapping, status, error, headMs, totalMs, cacheHit }: ActivityRecord): void {
    const labels = { kind, source: source ?? "", mapping: mapping ?? "" };
    const statusClass = status === 0 ? "none" : `${Math.floor(status / 100)}xx`;
    this.#requests.inc({ ...labels, status: statusClass, error: error ?? "" });
    this.#head.observe(labels, headMs / 1000);
    this.#duration.observe(labels, totalMs / 1000);
    if (cacheHit !== undefined && source !== "stored") {
      this.#lookups.inc({ mapping: labels.mapping, result: cacheHit ? "hit" : "miss" });
    }
  }
}
