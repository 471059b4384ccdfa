// Runs dist/gateway.js in a worker thread and keeps it running.
import { Worker } from "node:worker_threads";
import type { z } from "zod";
import { isOneCliError, OneCliError, toOneCliError } from "../core/errors.ts";
import type { Logger } from "../core/ports.ts";
import type {
  ActivityRecord,
  ManagementWrite,
  ResultOf,
  StartOptions,
  StartResult,
  ToGateway,
} from "../shared/gatewayProtocol.ts";

/** Loaded with the first thread: a window where nothing is mapped has none. */
const protocol = () => import("../shared/gatewayProtocol.ts");
type Protocol = Awaited<ReturnType<typeof protocol>>;

export type ThreadState =
  | { readonly kind: "stopped" }
  | { readonly kind: "starting" }
  | { readonly kind: "running"; readonly start: StartResult }
  /** It ended or hung and is being started again. */
  | { readonly kind: "restarting" };

export interface GatewayThreadOptions {
  readonly file: string;
  readonly logger: Logger;
  /** What to start with; after the first start its port, password and CA are asked for again. */
  readonly startOptions: () => Promise<StartOptions>;
  /** Runs before the thread counts as running: hands the account in. */
  readonly onStarted: (start: StartResult) => Promise<void>;
  readonly onState: (state: ThreadState) => void;
  /** @param accountRequests requests to 1Password that count against its limits. */
  readonly onActivity: (records: readonly ActivityRecord[], accountRequests: number) => void;
  /** What a program asks for over the API. @throws OneCliError where it is not done */
  readonly onAsk: (write: ManagementWrite) => Promise<unknown>;
  /** Milliseconds. */
  readonly times?: Partial<ThreadTimes>;
}

interface ThreadTimes {
  readonly heartbeat: number;
  /** Without an answer for so long the thread hangs. */
  readonly hang: number;
  readonly firstBackoff: number;
  readonly longestBackoff: number;
  /** A thread that ran so long was sound: the next backoff is the first again. */
  readonly sound: number;
}

const defaultTimes: ThreadTimes = {
  heartbeat: 5_000,
  hang: 15_000,
  firstBackoff: 250,
  longestBackoff: 30_000,
  sound: 60_000,
};

type WithoutId<T> = T extends { readonly id: number } ? Omit<T, "id"> : never;
/** A message that is answered; its number is the thread's affair. */
type Request = WithoutId<ToGateway>;
type Notice = Exclude<ToGateway, { readonly id: number }>;

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: OneCliError) => void;
}

export class GatewayThread {
  readonly #options: GatewayThreadOptions;
  readonly #times: ThreadTimes;
  readonly #pending = new Map<number, Pending>();
  #state: ThreadState = { kind: "stopped" };
  #worker: Worker | undefined;
  #starting: Promise<StartResult> | undefined;
  #stopping: Promise<void> | undefined;
  /** Grows with every stop: a start that began before it is not wanted any more. */
  #run = 0;
  #lastId = 0;
  #backoff = 0;
  #startedAt = 0;
  #heartbeat: NodeJS.Timeout | undefined;
  #restart: NodeJS.Timeout | undefined;

  constructor(options: GatewayThreadOptions) {
    this.#options = options;
    this.#times = { ...defaultTimes, ...options.times };
  }

  get state(): ThreadState {
    return this.#state;
  }

  /** Starts the thread if it does not run. @throws OneCliError where the gateway cannot start, or is stopped meanwhile. */
  start(): Promise<StartResult> {
    if (this.#stopping !== undefined) {
      return this.#stopping.then(() => this.start());
    }
    if (this.#state.kind === "running") {
      return Promise.resolve(this.#state.start);
    }
    return (this.#starting ??= this.#launch().finally(() => {
      this.#starting = undefined;
    }));
  }

  /** Asks the running gateway. @throws OneCliError: its own, or `gateway-stopping` if the thread ends meanwhile. */
  async request<R extends Request>(message: R): Promise<ResultOf<R["type"]>> {
    const result = await this.#send(message);
    const { results } = await protocol();
    const schemas: Partial<Record<ToGateway["type"], z.ZodType>> = results;
    return (schemas[message.type]?.parse(result) ?? result) as ResultOf<R["type"]>;
  }

  /** Tells the running gateway something that needs no answer; nothing if it does not run. */
  notify(message: Notice): void {
    this.#worker?.postMessage(message satisfies ToGateway);
  }

  /** Stops the gateway, after what is in flight; the thread is ended at the latest after `limit` milliseconds. */
  stop(limit = 4_500): Promise<void> {
    return (this.#stopping ??= this.#halt(limit).finally(() => {
      this.#stopping = undefined;
    }));
  }

  async #halt(limit: number): Promise<void> {
    this.#run++;
    clearTimeout(this.#restart);
    clearInterval(this.#heartbeat);
    const starting = this.#starting;
    const worker = this.#worker;
    this.#worker = undefined;
    if (this.#state.kind !== "stopped") {
      this.#enter({ kind: "stopped" });
    }
    if (worker !== undefined) {
      const ended = new Promise((resolve) => worker.once("exit", resolve));
      worker.postMessage({ type: "stop", id: ++this.#lastId } satisfies ToGateway);
      const timer = setTimeout(() => void worker.terminate(), limit);
      await ended;
      clearTimeout(timer);
      this.#failPending();
    }
    await starting?.catch(() => undefined);
  }

  async #launch(): Promise<StartResult> {
    clearTimeout(this.#restart);
    if (this.#state.kind !== "restarting") {
      this.#enter({ kind: "starting" });
    }
    const run = this.#run;
    let worker: Worker | undefined;
    const assertWanted = () => {
      if (run !== this.#run || this.#worker !== worker) {
        throw new OneCliError("gateway-stopping", "The gateway was stopped while it started.");
      }
    };
    try {
      const options = await this.#options.startOptions();
      const { fromGateway, startResult } = await protocol();
      assertWanted();
      worker = this.#makeWorker(fromGateway);
      const start = startResult.parse(await this.#send({ type: "start", options }));
      await this.#options.onStarted(start);
      assertWanted();
      this.#startedAt = Date.now();
      this.#watch(worker);
      this.#enter({ kind: "running", start });
      return start;
    } catch (error) {
      if (run === this.#run) {
        this.#worker = undefined;
        if (this.#state.kind === "restarting") {
          this.#scheduleRestart();
        } else {
          this.#enter({ kind: "stopped" });
        }
      }
      await worker?.terminate();
      throw error;
    }
  }

  #makeWorker(fromGateway: Protocol["fromGateway"]): Worker {
    const worker = new Worker(this.#options.file, { stdout: true, stderr: true });
    this.#worker = worker;
    // Nothing of the thread's output may reach the host's console: it is not ours to read.
    worker.stdout.resume();
    worker.stderr.resume();
    worker.on("message", (data: unknown) => this.#receive(worker, fromGateway.safeParse(data)));
    worker.on("error", (error) => this.#options.logger.error(`The gateway thread failed (${error.name}).`));
    worker.once("exit", () => this.#ended(worker));
    return worker;
  }

  #send(message: Request): Promise<unknown> {
    const worker = this.#worker;
    if (worker === undefined) {
      return Promise.reject(new OneCliError("gateway-stopping", "The gateway does not run."));
    }
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      worker.postMessage({ ...message, id });
    });
  }

  #receive(worker: Worker, parsed: ReturnType<Protocol["fromGateway"]["safeParse"]>): void {
    if (!parsed.success) {
      this.#options.logger.error("The gateway thread sent a message that is not of the protocol.");
      return;
    }
    const message = parsed.data;
    switch (message.type) {
      case "done":
        this.#take(message.id)?.resolve(message.result);
        break;
      case "failed":
        this.#take(message.id)?.reject(new OneCliError(message.code, message.message));
        break;
      case "activity":
        this.#options.onActivity(message.records, message.accountRequests);
        break;
      case "ask":
        void this.#answer(worker, message.question, message.write);
        break;
      case "log":
        this.#options.logger[message.level](message.message);
        break;
    }
  }

  async #answer(worker: Worker, question: number, write: ManagementWrite): Promise<void> {
    const answer = await this.#options.onAsk(write).then(
      (result) => ({ type: "answer", question, result }) as const,
      (error: unknown) => {
        const { code, message } = toOneCliError(error);
        return { type: "refuse", question, code, message } as const;
      },
    );
    worker.postMessage(answer satisfies ToGateway);
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #watch(worker: Worker): void {
    let answeredAt = Date.now();
    let lastTick = Date.now();
    this.#heartbeat = setInterval(() => {
      const now = Date.now();
      // A host that was asleep, or blocked, has heard nothing for its own reasons.
      if (now - lastTick > 2 * this.#times.heartbeat) {
        answeredAt = now;
      }
      lastTick = now;
      if (now - answeredAt > this.#times.hang) {
        this.#options.logger.error("The gateway thread does not answer; it is ended.");
        clearInterval(this.#heartbeat);
        void worker.terminate();
        return;
      }
      this.#send({ type: "ping" }).then(
        () => (answeredAt = Date.now()),
        () => undefined,
      );
    }, this.#times.heartbeat);
    this.#heartbeat.unref();
  }

  #ended(worker: Worker): void {
    if (this.#worker !== worker) {
      return;
    }
    this.#worker = undefined;
    clearInterval(this.#heartbeat);
    this.#failPending();
    if (this.#state.kind !== "running") {
      return;
    }
    this.#enter({ kind: "restarting" });
    const { firstBackoff, sound } = this.#times;
    if (this.#backoff === 0 || Date.now() - this.#startedAt >= sound) {
      this.#backoff = firstBackoff;
    }
    this.#scheduleRestart();
  }

  #scheduleRestart(): void {
    const delay = this.#backoff;
    this.#backoff = Math.min(2 * delay, this.#times.longestBackoff);
    this.#restart = setTimeout(() => {
      this.start().catch((error: unknown) => {
        const reason = isOneCliError(error) ? error.message : "unknown fault";
        this.#options.logger.error(`The gateway did not start again: ${reason}`);
      });
    }, delay);
    this.#restart.unref();
  }

  #failPending(): void {
    const error = new OneCliError("gateway-stopping", "The gateway ended before it had answered.");
    for (const { reject } of this.#pending.values()) {
      reject(error);
    }
    this.#pending.clear();
  }

  #enter(state: ThreadState): void {
    this.#state = state;
    this.#options.onState(state);
  }
}
