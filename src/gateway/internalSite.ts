// http://onecli.internal/: what the gateway says of itself to the agents that it serves, and where the doctor asks it for
// an echo. Whoever has the proxy's password may ask; no answer holds a value or a reference.
import { type IncomingMessage, type ServerResponse } from "node:http";
import { type Credential, isStored } from "../core/credentialIndex.ts";
import { type ErrorCode, isMappingError, OneCliError, toOneCliError } from "../core/errors.ts";
import { type Authority } from "../core/hostname.ts";
import { infoUrl, internalHost } from "../core/internalSite.ts";
import { describeMapping } from "../core/mappingDescription.ts";
import { type Logger } from "../core/ports.ts";
import { type ActivityRecord } from "../shared/gatewayProtocol.ts";
import { version } from "../shared/version.ts";
import { type Activity } from "./activity.ts";
import { sendError } from "./answers.ts";
import { type CertificateAuthority } from "./certificateAuthority.ts";
import { DoctorRun } from "./doctorRun.ts";

/** More at once end the oldest. */
const maxRuns = 8;

const repository = "https://github.com/onecli/onecli-vscode";

const advice =
  "You are behind the OneCLI gateway. Call the hosts listed under mappings by https://, with the tools and variables of this terminal: the gateway replaces the credential of each request by the real one, which you neither have nor need. Leave placeholders in the environment as they are, and use them where a tool insists on a key. Every other host is passed through untouched. When a request is refused, the JSON answer (error.message) says what the person at the editor has to change; ask for it instead of looking for another credential.";

interface InternalSiteOptions {
  readonly authority: CertificateAuthority;
  readonly state: {
    readonly credentials: readonly Credential[];
    readonly credentialOf: (record: ActivityRecord) => Credential | undefined;
    readonly connected: boolean;
    readonly stopping: boolean;
  };
  readonly activity: Activity;
  readonly logger: Logger;
}

export class InternalSite {
  readonly #options: InternalSiteOptions;
  readonly #runs = new Map<string, DoctorRun>();
  /** How the last request of each mapping or stored secret fared. */
  #fared = new WeakMap<Credential, ErrorCode | "ok">();

  constructor(options: InternalSiteOptions) {
    this.#options = options;
    options.activity.subscribe((record) => {
      const { error } = record;
      const credential = options.state.credentialOf(record);
      if (credential !== undefined) {
        this.#fared.set(credential, error !== undefined && isMappingError(error) ? error : "ok");
      }
    });
  }

  /** How requests fared under another account says nothing any more. */
  accountChanged(): void {
    this.#fared = new WeakMap();
  }

  /** How the last request of a mapping fared; undefined before the first one. */
  lastOutcome(credential: Credential): ErrorCode | "ok" | undefined {
    return this.#fared.get(credential);
  }

  /** Answers a plain http request for onecli.internal or a name below it. */
  async answer(
    authority: Authority,
    target: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    try {
      request.resume();
      if (authority.host !== internalHost || authority.port !== 80) {
        throw new OneCliError("not-found", `Nothing is at ${authority.host}:${authority.port}.`);
      }
      const [path = ""] = target.split("?", 1);
      const [, section = "", run = "", action, label = "", ...more] = path.split("/");
      if (path === "/") {
        allow(request, response, "GET", "HEAD");
        sendJson(response, 200, this.#describe());
      } else if (path === "/doctor") {
        allow(request, response, "POST");
        sendJson(response, 201, (await this.#openRun()).opened);
      } else if (section === "doctor" && action === undefined) {
        allow(request, response, "GET", "DELETE");
        this.#answerRun(this.#findRun(run), request, response);
      } else if (section === "doctor" && action === "release" && more.length === 0) {
        allow(request, response, "POST");
        this.#findRun(run).release(label);
        sendJson(response, 200, {});
      } else {
        throw new OneCliError("not-found", `${internalHost} has no such page.`);
      }
    } catch (error) {
      sendError(response, toOneCliError(error));
    }
  }

  /** The run that a CONNECT leads to. @throws OneCliError `bad-request` where it leads to none. */
  runOf(authority: Authority): DoctorRun {
    for (const run of this.#runs.values()) {
      if (run.covers(authority)) {
        return run;
      }
    }
    throw new OneCliError(
      "bad-request",
      `${authority.host}:${authority.port} is a name of the gateway itself, which answers at ${infoUrl} (plain http, through the proxy).`,
    );
  }

  close(): void {
    for (const run of this.#runs.values()) {
      run.close();
    }
  }

  #describe() {
    const { state } = this.#options;
    return {
      product: "OneCLI",
      version,
      advice,
      onePassword: state.connected ? "connected" : "not connected",
      mappings: state.credentials.map((credential) => ({
        ...describeMapping(credential),
        state: this.#stateOf(credential),
      })),
      docs: {
        readme: `${repository}#readme`,
        errors: `${repository}/blob/main/docs/errors.md`,
        security: `${repository}/blob/main/SECURITY.md`,
      },
    };
  }

  #stateOf(credential: Credential): string {
    if (!credential.enabled) {
      return "disabled";
    }
    return isStored(credential) || this.#options.state.connected
      ? (this.#fared.get(credential) ?? "not used yet")
      : "not-connected";
  }

  async #openRun(): Promise<DoctorRun> {
    const { authority, logger, state } = this.#options;
    const run: DoctorRun = await DoctorRun.open({
      authority,
      isStopping: () => state.stopping,
      logger,
      onClosed: () => this.#runs.delete(run.opened.run),
    });
    if (state.stopping) {
      run.close();
      throw new OneCliError("gateway-stopping", "The gateway is stopping.");
    }
    const [oldest] = this.#runs.values();
    if (this.#runs.size >= maxRuns) {
      oldest?.close();
    }
    this.#runs.set(run.opened.run, run);
    return run;
  }

  #findRun(id: string): DoctorRun {
    const run = this.#runs.get(id);
    if (run === undefined) {
      throw new OneCliError("not-found", "There is no such run of the doctor.");
    }
    return run;
  }

  #answerRun(run: DoctorRun, { method }: IncomingMessage, response: ServerResponse): void {
    if (method === "DELETE") {
      run.close();
    }
    sendJson(response, 200, run.evidence());
  }
}

function allow({ method = "" }: IncomingMessage, response: ServerResponse, ...methods: string[]): void {
  if (!methods.includes(method)) {
    response.setHeader("allow", methods.join(", "));
    throw new OneCliError("method-not-allowed", `${method} is not for this page of ${internalHost}.`);
  }
}

function sendJson(response: ServerResponse, status: number, content: unknown): void {
  const body = `${JSON.stringify(content, undefined, 2)}\n`;
  response.writeHead(status, {
    "content-type": "application/json",
    "cache-control": "no-store",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
}
