// The doctor's way to the gateway: plain http to onecli.internal, by the variables of the environment that it examines.
import { Agent, request } from "node:http";
import * as z from "zod";
import { doctorDomain, infoUrl } from "../core/internalSite.ts";
import { proxyVariables, sessionMarker } from "../core/terminalEnvironment.ts";
import { type Evidence, evidence, type OpenedRun, openedRun } from "../shared/doctorProtocol.ts";
import { type Environment } from "./subprocess.ts";

/** Milliseconds that the gateway may take for an answer. */
const patience = 10_000;

const help = z.object({
  version: z.string(),
  onePassword: z.string(),
  mappings: z.array(z.object({ host: z.string(), enabled: z.boolean() })),
});
export type Help = z.infer<typeof help>;

/** Where the marker of the environment says that the gateway is; undefined where no terminal of ours was. */
export function gatewayOf(environment: Environment): string | undefined {
  const marker = environment[sessionMarker] ?? "";
  return /^127\.0\.0\.1:\d{1,5}$/.test(marker) ? marker : undefined;
}

/** Values of the proxy variables that lead to the gateway, most frequent first. */
export function proxyUrls(environment: Environment): string[] {
  const gateway = gatewayOf(environment);
  const counts = new Map<string, number>();
  for (const name of proxyVariables) {
    const value = environment[name] ?? "";
    if (gateway !== undefined && parseProxy(value)?.host === gateway) {
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([url]) => url);
}

export function parseProxy(text: string): URL | undefined {
  try {
    return new URL(text.includes("://") ? text : `http://${text}`);
  } catch {
    return undefined;
  }
}

export class GatewayRefusal extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`The gateway answered ${status}.`);
    this.name = "GatewayRefusal";
    this.status = status;
  }
}

export class GatewayClient {
  readonly proxy: URL;

  constructor(proxyUrl: string) {
    this.proxy = new URL(proxyUrl);
  }

  /** @throws GatewayRefusal, 407 for a wrong password; Error with Node's code where nobody answers. */
  async help(): Promise<Help> {
    return help.parse(await this.#ask("GET", ""));
  }

  async open(): Promise<OpenedRun> {
    const run = openedRun.parse(await this.#ask("POST", "doctor"));
    if (!run.domain.endsWith(`.${doctorDomain}`)) {
      throw new Error("the gateway named a domain that is not the doctor's");
    }
    return run;
  }

  async evidence({ run }: OpenedRun): Promise<Evidence> {
    return evidence.parse(await this.#ask("GET", `doctor/${run}`));
  }

  async release({ run }: OpenedRun, label: string): Promise<void> {
    await this.#ask("POST", `doctor/${run}/release/${label}`);
  }

  async close({ run }: OpenedRun): Promise<void> {
    await this.#ask("DELETE", `doctor/${run}`);
  }

  async #ask(method: string, path: string): Promise<unknown> {
    return JSON.parse(await this.#send(method, path)) as unknown;
  }

  #send(method: string, path: string): Promise<string> {
    const { hostname, port, username, password } = this.proxy;
    const credential = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    const authorization = `Basic ${Buffer.from(credential).toString("base64")}`;
    return new Promise((resolve, reject) => {
      const outgoing = request({
        // Not the global agent, which may follow the proxy variables itself.
        agent: new Agent({ keepAlive: false }),
        host: hostname,
        port,
        method,
        path: infoUrl + path,
        headers: { host: new URL(infoUrl).host, "proxy-authorization": authorization },
        signal: AbortSignal.timeout(patience),
      });
      outgoing.on("error", reject);
      outgoing.on("response", (answer) => {
        let body = "";
        answer.setEncoding("utf8");
        answer.on("data", (chunk: string) => (body += chunk));
        answer.on("error", reject);
        answer.on("end", () => {
          const { statusCode = 0 } = answer;
          if (statusCode >= 300) {
            reject(new GatewayRefusal(statusCode));
            return;
          }
          resolve(body);
        });
      });
      outgoing.end();
    });
  }
}
