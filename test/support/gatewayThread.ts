import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { OneCliError } from "../../src/core/errors.ts";
import {
  type ConnectResult,
  connectResult,
  fromGateway,
  type FromGateway,
  type StartOptions,
  type StartResult,
  startResult,
  type ToGateway,
} from "../../src/shared/gatewayProtocol.ts";

export const gatewayFile = fileURLToPath(new URL("../../dist/gateway.js", import.meta.url));

type Activity = Extract<FromGateway, { type: "activity" }>["records"][number];
type WithoutId<T> = T extends { id: number } ? Omit<T, "id"> : never;

/** dist/gateway.js as a thread, spoken to as the extension does. */
export class GatewayThread {
  readonly activity: Activity[] = [];
  readonly log: string[] = [];
  readonly #worker: Worker;
  readonly #waiting = new Map<
    number,
    { resolve: (result: unknown) => void; reject: (error: Error) => void }
  >();
  readonly #activityWaiters: (() => void)[] = [];
  #lastId = 0;

  constructor() {
    if (!existsSync(gatewayFile)) {
      throw new Error("dist/gateway.js is missing: run npm run build");
    }
    this.#worker = new Worker(gatewayFile);
    this.#worker.on("message", (data: unknown) => this.#receive(fromGateway.parse(data)));
  }

  async start(options: StartOptions): Promise<StartResult> {
    return startResult.parse(await this.request({ type: "start", options }));
  }

  async connect(token: string): Promise<ConnectResult> {
    return connectResult.parse(await this.request({ type: "connect", token }));
  }

  request(message: WithoutId<ToGateway>): Promise<unknown> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ ...message, id });
    });
  }

  /** Fulfilled with the records once there are at least `count`. */
  async records(count: number): Promise<readonly Activity[]> {
    while (this.activity.length < count) {
      await new Promise<void>((resolve) => this.#activityWaiters.push(resolve));
    }
    return this.activity;
  }

  /** Stops the gateway; fulfilled when the thread has ended by itself. */
  async stop(): Promise<void> {
    const ended = once(this.#worker, "exit");
    await this.request({ type: "stop" });
    await ended;
  }

  #receive(message: FromGateway): void {
    switch (message.type) {
      case "done":
        this.#waiting.get(message.id)?.resolve(message.result);
        this.#waiting.delete(message.id);
        break;
      case "failed":
        this.#waiting.get(message.id)?.reject(new OneCliError(message.code, message.message));
        this.#waiting.delete(message.id);
        break;
      case "activity":
        this.activity.push(...message.records);
        this.#activityWaiters.splice(0).forEach((wake) => wake());
        break;
      case "ask":
        throw new Error("nobody is there to be asked");
      case "log":
        this.log.push(`${message.level} ${message.message}`);
        break;
    }
  }
}
