// The management API of a team's gateway, as its client sees it. Every fault is told in words with the fix.
import { X509Certificate } from "node:crypto";
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { getCACertificates, rootCertificates } from "node:tls";
import type * as z from "zod";
import { type MappingInput } from "../core/mapping.ts";
import { everyPath } from "../core/requestPath.ts";
import type { Target } from "../core/target.ts";
import type { ConnectResult, ExplainResult } from "../shared/gatewayProtocol.ts";
import { refusalAnswer } from "../shared/internalSiteAnswers.ts";
import { type Phrase, PhraseError, t } from "./phrase.ts";
import type { Activity, Status, TeamMapping } from "./teamAnswers.ts";

/** Milliseconds for an answer. A write may wait for a person, where the API is that of another editor. */
const readPatience = 10_000;
const writePatience = 75_000;

const maxAnswer = 8 * 1024 * 1024;

/** Loaded where a team's gateway is used. */
const answers = () => import("./teamAnswers.ts");
type Answers = Awaited<ReturnType<typeof answers>>;

type Fault =
  | "invalid"
  | "unreachable"
  | "untrusted"
  | "unauthorized"
  | "refused"
  | "stopping"
  /** The CA is another one than was confirmed. */
  | "ca-changed"
  /** Nobody has confirmed the CA yet. */
  | "unconfirmed";

/** It names the fix. */
export class TeamGatewayError extends PhraseError {
  override readonly name = "TeamGatewayError";
  readonly fault: Fault;

  constructor(fault: Fault, phrase: Phrase) {
    super(phrase);
    this.fault = fault;
  }
}

const loopbackHosts = ["localhost", "127.0.0.1", "[::1]"];

/**
 * The address of an API, or of a proxy, as `scheme://host[:port]`.
 * @throws TeamGatewayError that does not repeat the text: it may hold a password.
 */
export function parseTeamUrl(text: string): URL {
  const invalid = (phrase: Phrase) => new TeamGatewayError("invalid", phrase);
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch {
    throw invalid(t("The address is no URL: write https://host:port."));
  }
  if (!["https:", "http:"].includes(url.protocol)) {
    throw invalid(t("The address begins with neither https:// nor http://."));
  }
  if (url.username !== "" || url.password !== "") {
    throw invalid(t("The address has a user name or password in it: leave them out, they are asked for."));
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    throw invalid(t("The address has more than scheme, host and port."));
  }
  if (url.protocol === "http:" && !loopbackHosts.includes(url.hostname)) {
    throw invalid(
      t(
        "The address is plain http, which is for this machine alone: the token would cross the network in clear.",
      ),
    );
  }
  return url;
}

export class TeamApi {
  readonly #url: URL;
  readonly #token: string;
  readonly #agent: HttpAgent | HttpsAgent;

  /**
   * @param url as {@link parseTeamUrl} takes it.
   * @param extraCaCertificates PEM, trusted beside the machine's.
   */
  constructor(url: string, token: string, extraCaCertificates: readonly string[]) {
    this.#url = parseTeamUrl(url);
    this.#token = token;
    this.#agent =
      this.#url.protocol === "https:"
        ? new HttpsAgent({ keepAlive: true, ca: [...machineRoots(), ...extraCaCertificates] })
        : new HttpAgent({ keepAlive: true });
  }

  get host(): string {
    return this.#url.host;
  }

  /** PEM: one certificate, which is a CA's. */
  async caCertificate(): Promise<string> {
    const text = await this.#send("GET", "/api/ca.pem");
    try {
      const certificate = new X509Certificate(text);
      if (certificate.ca) {
        return certificate.toString();
      }
    } catch {
      // Told below.
    }
    throw this.#notOurs();
  }

  async status(): Promise<Status> {
    return this.#ask(({ status }) => status, "GET", `${vault}/status`);
  }

  async mappings(): Promise<readonly TeamMapping[]> {
    return (await this.#ask(({ mappings }) => mappings, "GET", `${vault}/mappings`)).mappings;
  }

  /** @param since id of a record: only later ones. */
  activity(since: number): Promise<Activity> {
    return this.#ask(({ activity }) => activity, "GET", `/api/activity?since=${since}`);
  }

  async put(mapping: MappingInput): Promise<void> {
    await this.#send("PUT", `${vault}/mappings`, mapping);
  }

  async remove(target: Pick<Target, "hostname" | "path">): Promise<void> {
    await this.#send("DELETE", addressOf(target));
  }

  /** Has the secret of a mapping read afresh. */
  async test(target: Pick<Target, "hostname" | "path">): Promise<void> {
    await this.#send("POST", addressOf(target, "/test"));
  }

  /** @param path path and query. */
  explain(host: string, path: string): Promise<ExplainResult> {
    const query = new URLSearchParams({ host, path });
    return this.#ask(({ explanation }) => explanation, "GET", `/api/explain?${query.toString()}`);
  }

  connect(token: string): Promise<ConnectResult> {
    return this.#ask(({ connection }) => connection, "POST", `${vault}/connect`, { token });
  }

  async disconnect(): Promise<void> {
    await this.#send("DELETE", `${vault}/connect`);
  }

  dispose(): void {
    this.#agent.destroy();
  }

  async #ask<T>(
    schemaOf: (answers: Answers) => z.ZodType<T>,
    method: string,
    path: string,
    json?: unknown,
  ): Promise<T> {
    const text = await this.#send(method, path, json);
    const schema = schemaOf(await answers());
    try {
      return schema.parse(JSON.parse(text));
    } catch {
      throw this.#notOurs();
    }
  }

  /** The body of the answer. @throws TeamGatewayError */
  async #send(method: string, path: string, json?: unknown): Promise<string> {
    let answer: { readonly status: number; readonly text: string };
    try {
      answer = await this.#exchange(method, path, json);
    } catch (error) {
      throw this.#explain(error);
    }
    if (answer.status >= 200 && answer.status < 300) {
      return answer.text;
    }
    throw this.#refusal(answer.status, answer.text);
  }

  #exchange(method: string, path: string, json?: unknown): Promise<{ status: number; text: string }> {
    const body = json === undefined ? undefined : JSON.stringify(json);
    const send = this.#url.protocol === "https:" ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const outgoing = send(new URL(path, this.#url), {
        method,
        agent: this.#agent,
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(body !== undefined && {
            "content-type": "application/json",
            "content-length": Buffer.byteLength(body),
          }),
        },
        signal: AbortSignal.timeout(method === "GET" ? readPatience : writePatience),
      });
      outgoing.on("error", reject);
      outgoing.on("response", (answer: IncomingMessage) => {
        let text = "";
        answer.setEncoding("utf8");
        answer.on("data", (chunk: string) => {
          text += chunk;
          if (text.length > maxAnswer) {
            answer.destroy(new Error("the answer is too long"));
          }
        });
        answer.on("error", reject);
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text }));
      });
      outgoing.end(body);
    });
  }

  #explain(error: unknown): TeamGatewayError {
    const { code, name } = error as NodeJS.ErrnoException;
    if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
      return new TeamGatewayError(
        "untrusted",
        t(
          "The certificate of the team gateway is not for {0}. Use a name that it is for, in onecli.gateway.url.",
          this.#url.hostname,
        ),
      );
    }
    if (code !== undefined && /CERT|SIGNATURE|ISSUER|SELF_SIGNED/.test(code)) {
      return new TeamGatewayError(
        "untrusted",
        t(
          "The certificate of the team gateway {0} is not trusted ({1}). If a private authority has signed it, add that authority to onecli.extraCaCertificates; verification cannot be turned off.",
          this.host,
          code,
        ),
      );
    }
    if (code?.startsWith("ERR_SSL") === true || code === "EPROTO") {
      return new TeamGatewayError(
        "unreachable",
        t(
          "What answers at {0} does not speak TLS ({1}). onecli.gateway.url is the address of the API, not of the proxy.",
          this.host,
          code,
        ),
      );
    }
    const reason =
      name === "TimeoutError" || name === "AbortError" ? t("no answer in time") : (code ?? t("it hung up"));
    return new TeamGatewayError(
      "unreachable",
      t(
        "The team gateway {0} cannot be reached ({1}). Check onecli.gateway.url and the network, and whether the gateway runs with “api” in its configuration.",
        this.host,
        reason,
      ),
    );
  }

  #refusal(statusCode: number, text: string): TeamGatewayError {
    const { code, message } = readRefusal(text);
    switch (code) {
      case "unauthorized":
        return new TeamGatewayError(
          "unauthorized",
          t(
            "The team gateway {0} does not accept the API token. Take it from the gateway's token file (api.tokenFile) and give it in OneCLI: Use Team Gateway….",
            this.host,
          ),
        );
      case "host-not-allowed":
        return new TeamGatewayError(
          "refused",
          t(
            "The team gateway does not answer for the name {0}: its operator names it in api.hosts of the configuration.",
            this.#url.hostname,
          ),
        );
      case "proxy-authentication-required":
        return this.#notOurs();
      case "gateway-stopping":
        return new TeamGatewayError(
          "stopping",
          t("The team gateway {0} is stopping. It is asked again in a moment.", this.host),
        );
      case undefined:
        return statusCode === 502 || statusCode === 503 || statusCode === 504
          ? new TeamGatewayError(
              "unreachable",
              t(
                "The team gateway {0} does not run: what stands before it answered {1}.",
                this.host,
                statusCode,
              ),
            )
          : this.#notOurs();
      default:
        return new TeamGatewayError("refused", t("The team gateway: {0}", message));
    }
  }

  #notOurs(): TeamGatewayError {
    return new TeamGatewayError(
      "unreachable",
      t(
        "What answers at {0} is no API of a OneCLI gateway. Check onecli.gateway.url: it is the address of the API, not of the proxy.",
        this.host,
      ),
    );
  }
}

const vault = "/api/vault/onepassword";

/** Longer is no sentence. */
const maxMessage = 1_000;

function addressOf({ hostname, path }: Pick<Target, "hostname" | "path">, suffix = ""): string {
  const query = path === everyPath ? "" : `?${new URLSearchParams({ path }).toString()}`;
  return `${vault}/mappings/${encodeURIComponent(hostname)}${suffix}${query}`;
}

function readRefusal(text: string): { code: string | undefined; message: string } {
  try {
    const { code, message } = refusalAnswer.parse(JSON.parse(text)).error;
    return { code, message: message.replace(/^OneCLI: /, "").slice(0, maxMessage) };
  } catch {
    return { code: undefined, message: "" };
  }
}

function machineRoots(): string[] {
  // Node of the oldest VS Code that is supported has it; its fork may not.
  return typeof getCACertificates === "function"
    ? [...new Set([...getCACertificates("default"), ...getCACertificates("system")])]
    : [...rootCertificates];
}

/** As `openssl x509 -fingerprint -sha256` writes it. */
export function fingerprint(certificate: string): string {
  return new X509Certificate(certificate).fingerprint256;
}
