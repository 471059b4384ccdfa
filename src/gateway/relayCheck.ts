// Whether a relay reaches the gateway behind it, tried the way a terminal's tools go.
import { Agent, request } from "node:http";
import { OneCliError } from "../core/errors.ts";
import { infoUrl, internalHost } from "../core/internalSite.ts";
import { type GatewayEndpoint } from "../core/terminalEnvironment.ts";
import { helpAnswer, refusalAnswer } from "../shared/internalSiteAnswers.ts";

/** Milliseconds that the other gateway may take for an answer. */
const patience = 10_000;

const maxAnswer = 1024 * 1024;

/** @throws OneCliError `upstream-unreachable` with what is wrong: nobody answers, or not to this user name and password. */
export async function askRelay(endpoint: GatewayEndpoint): Promise<void> {
  const { status, body } = await askHelp(endpoint).catch((error: unknown) => {
    throw failure("The team gateway did not answer.", error);
  });
  if (status === 200 && helpAnswer.safeParse(body).success) {
    return;
  }
  const refused = refusalAnswer.safeParse(body);
  throw failure(
    refused.success
      ? plainMessage(refused.data.error)
      : "What answers at the address of the team gateway's proxy is no OneCLI gateway.",
  );
}

/** Without the name, the code and the hint that the message has for agents. */
function plainMessage({ message, code }: { readonly message: string; readonly code: string }): string {
  return message
    .replace(/^OneCLI: /, "")
    .replace(new RegExp(` \\(${code.replace(/[^a-z-]/g, "")}\\) .*$`, "s"), "");
}

function failure(message: string, cause?: unknown): OneCliError {
  return new OneCliError("upstream-unreachable", message, { cause });
}

function askHelp({ port, username, password }: GatewayEndpoint): Promise<{ status: number; body: unknown }> {
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
  return new Promise((resolve, reject) => {
    const outgoing = request({
      agent: new Agent({ keepAlive: false }),
      host: "127.0.0.1",
      port,
      path: infoUrl,
      headers: { host: internalHost, "proxy-authorization": authorization },
      signal: AbortSignal.timeout(patience),
    });
    outgoing.on("error", reject);
    outgoing.on("response", (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        text += chunk;
        if (text.length > maxAnswer) {
          answer.destroy(new Error("the answer is too long"));
        }
      });
      answer.on("error", reject);
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body: readJson(text) }));
    });
    outgoing.end();
  });
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
