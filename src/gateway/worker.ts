// The gateway as a thread of the extension host: messages in, messages out, all of them parsed.
import { type MessagePort } from "node:worker_threads";
import { OneCliError, toOneCliError } from "../core/errors.ts";
import { parseMappings } from "../core/mapping.ts";
import { type Logger } from "../core/ports.ts";
import { parseSecretReference } from "../core/secretReference.ts";
import {
  type FromGateway,
  type StartOptions,
  type StartResult,
  type ToGateway,
  toGateway,
} from "../shared/gatewayProtocol.ts";
import { type ActivityRecord } from "./activity.ts";
import { createAuthority } from "./certificateAuthority.ts";
import { connectAccount, Gateway } from "./gateway.ts";
import { parseParentProxy } from "./parentProxy.ts";
import { machineRoots, writeTrustFiles } from "./trustBundle.ts";

/** Activity is sent in batches at most this often, in milliseconds. */
const batchInterval = 100;

/** Serves the host at the other end of the port until it says `stop`. */
export function serveHost(port: MessagePort): void {
  new Host(port);
}

class Host {
  readonly #port: MessagePort;
  readonly #logger: Logger;
  #gateway: Gateway | undefined;
  #batch: ActivityRecord[] = [];

  constructor(port: MessagePort) {
    this.#port = port;
    this.#logger = this.#makeLogger();
    port.on("message", (data: unknown) => {
      const message = toGateway.safeParse(data);
      if (message.success) {
        void this.#receive(message.data);
      } else {
        // Not its content: it may hold a token.
        this.#logger.error("A message that is not of the protocol was dropped.");
      }
    });
  }

  async #receive(message: ToGateway): Promise<void> {
    try {
      const result = await this.#execute(message);
      if ("id" in message) {
        this.#send({ type: "done", id: message.id, result });
      }
      if (message.type === "stop") {
        this.#port.close();
      }
    } catch (error) {
      const { code, message: text } = toOneCliError(error);
      if ("id" in message) {
        this.#send({ type: "failed", id: message.id, code, message: text });
      } else {
        this.#logger.error(`${message.type} failed: ${text}`);
      }
    }
  }

  async #execute(message: ToGateway): Promise<unknown> {
    switch (message.type) {
      case "start":
        return await this.#start(message.options);
      case "setMappings":
        this.#running().setMappings(usableMappings(message.mappings));
        return undefined;
      case "connect":
        return await connectAccount(this.#running(), message.token);
      case "disconnect":
        this.#running().disconnect();
        return undefined;
      case "invalidate":
        this.#running().invalidate(
          message.reference === undefined ? undefined : parseSecretReference(message.reference),
        );
        return undefined;
      case "test":
        await this.#running().test(parseSecretReference(message.reference));
        return undefined;
      case "ping":
        return undefined;
      case "stop":
        await this.#gateway?.stop();
        return undefined;
    }
  }

  async #start(options: StartOptions): Promise<StartResult> {
    if (this.#gateway !== undefined) {
      throw new OneCliError("internal", "The gateway runs already.");
    }
    const authority = options.authority ?? (await createAuthority());
    const roots = machineRoots();
    const extra = options.extraCaCertificates;
    const files = await writeTrustFiles(
      options.dataDir,
      { authority: authority.certificate, extra, roots, environment: process.env },
      this.#logger,
    );
    this.#gateway = await Gateway.start({
      mappings: usableMappings(options.mappings),
      authority,
      trustedRoots: [...roots, ...extra],
      parentProxy: options.parentProxy === undefined ? undefined : parseParentProxy(options.parentProxy),
      port: options.port,
      ...(options.password !== undefined && { password: options.password }),
      logger: this.#logger,
    });
    this.#gateway.activity.subscribe((record) => this.#report(record));
    return { endpoint: this.#gateway.endpoint, files, authority };
  }

  #running(): Gateway {
    if (this.#gateway === undefined) {
      throw new OneCliError("internal", "The gateway does not run yet.");
    }
    return this.#gateway;
  }

  #report(record: ActivityRecord): void {
    this.#batch.push(record);
    if (this.#batch.length === 1) {
      setTimeout(() => {
        const records = this.#batch;
        this.#batch = [];
        this.#send({ type: "activity", records });
      }, batchInterval);
    }
  }

  #send(message: FromGateway): void {
    this.#port.postMessage(message);
  }

  #makeLogger(): Logger {
    const log =
      (level: Extract<FromGateway, { type: "log" }>["level"]) =>
      (message: string, ...details: unknown[]): void => {
        this.#send({ type: "log", level, message: [message, ...details.map(String)].join(" ") });
      };
    return {
      trace: log("trace"),
      debug: log("debug"),
      info: log("info"),
      warn: log("warn"),
      error: log("error"),
    };
  }
}

function usableMappings(entries: readonly unknown[]) {
  const { mappings, problems } = parseMappings(entries);
  const [problem] = problems;
  if (problem !== undefined) {
    throw new OneCliError("bad-request", `Mapping ${problem.index + 1}: ${problem.message}.`);
  }
  return mappings;
}
