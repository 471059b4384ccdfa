import { once } from "node:events";
import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { type FromGateway, fromGateway } from "../../src/shared/gatewayProtocol.ts";
import { gatewayFile } from "./gatewayThread.ts";

type Answer = Extract<FromGateway, { id: number }>;

/** dist/gateway.js as a thread; sends what it is told, of the protocol or not. */
export class RawThread {
  readonly messages: FromGateway[] = [];
  readonly exited: Promise<number>;
  readonly #worker: Worker;
  readonly #wakers: (() => void)[] = [];
  #lastId = 0;

  constructor(env: NodeJS.ProcessEnv = {}) {
    if (!existsSync(gatewayFile)) {
      throw new Error(`${gatewayFile} is missing: run "npm run build" first`);
    }
    this.#worker = new Worker(gatewayFile, { env });
    this.exited = once(this.#worker, "exit").then(([code]) => code as number);
    this.#worker.on("message", (data: unknown) => {
      this.messages.push(fromGateway.parse(data));
      this.#wakers.splice(0).forEach((wake) => wake());
    });
  }

  post(message: unknown): void {
    this.#worker.postMessage(message);
  }

  async find<T extends FromGateway>(matches: (message: FromGateway) => message is T): Promise<T> {
    for (;;) {
      const found = this.messages.find(matches);
      if (found !== undefined) {
        return found;
      }
      await new Promise<void>((resolve) => this.#wakers.push(resolve));
    }
  }

  /** The answer to a request, `failed` ones included. */
  async ask(message: Record<string, unknown>): Promise<Answer> {
    const id = ++this.#lastId;
    this.post({ ...message, id });
    return await this.find((found): found is Answer => "id" in found && found.id === id);
  }

  async done(message: Record<string, unknown>): Promise<unknown> {
    const answer = await this.ask(message);
    if (answer.type !== "done") {
      throw new Error(`${answer.code}: ${answer.message}`);
    }
    return answer.result;
  }

  async failed(message: Record<string, unknown>): Promise<Extract<Answer, { type: "failed" }>> {
    const answer = await this.ask(message);
    if (answer.type !== "failed") {
      throw new Error(`it is done: ${JSON.stringify(answer.result)}`);
    }
    return answer;
  }

  terminate = (): Promise<number> => this.#worker.terminate();
}
