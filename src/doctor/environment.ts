// The variables of a terminal, held against what the gateway sets.
import { X509Certificate } from "node:crypto";
import { connect as connectTls } from "node:tls";
import { request } from "node:http";
import { type Socket } from "node:net";
import { readFile } from "node:fs/promises";
import { doctorDomain, internalHost } from "../core/internalSite.ts";
import { bundleVariables, bypassVariables, proxyVariables } from "../core/terminalEnvironment.ts";
import { parseProxy } from "./gatewayClient.ts";
import { entriesCovering } from "./noProxy.ts";
import { type Cell } from "../shared/doctorReport.ts";
import { type EnvironmentRow, failed, ok } from "./report.ts";
import { whereSet } from "./startupFiles.ts";
import { type Environment } from "./subprocess.ts";

const certificatePattern = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;
const newTerminal = "Open a new terminal: this one has lost what OneCLI had set.";

/** Which of the variables that lead to the gateway are missing or lead elsewhere. */
export async function checkProxyVariables(
  environment: Environment,
  proxyUrl: string | undefined,
): Promise<EnvironmentRow[]> {
  const rows: EnvironmentRow[] = [];
  for (const name of proxyVariables) {
    const value = environment[name] ?? "";
    if (value === "" || value !== proxyUrl) {
      const cause = value === "" ? `${name} is not set` : `${name} leads to ${placeOf(value)}`;
      rows.push({ name, cell: failed(`${cause} and not to the gateway.`, await fixOf(name, environment)) });
    }
  }
  for (const name of bypassVariables) {
    if ((environment[name] ?? "") !== "") {
      const cause = `${name} is set: programs that read it go around the gateway.`;
      rows.push({ name, cell: failed(cause, await fixOf(name, environment)) });
    }
  }
  if (environment["NODE_USE_ENV_PROXY"] !== "1") {
    const cause = "NODE_USE_ENV_PROXY is not 1: fetch and http of Node do not read the proxy variables.";
    rows.push({
      name: "NODE_USE_ENV_PROXY",
      cell: failed(cause, await fixOf("NODE_USE_ENV_PROXY", environment)),
    });
  }
  return rows.length > 0 ? rows : [{ name: "proxy variables", cell: ok }];
}

/** Host and port of a proxy's URL; the rest may hold a password. */
function placeOf(value: string): string {
  const url = parseProxy(value);
  return url === undefined || url.host === "" ? "something that is no URL" : url.host;
}

async function fixOf(name: string, environment: Environment): Promise<string> {
  const [place] = await whereSet(name, environment);
  return place === undefined
    ? newTerminal
    : `${place} sets it, after OneCLI has: take that line out, then open a new terminal.`;
}

/** Whether NO_PROXY keeps a mapped host away from the gateway. */
export async function checkNoProxy(
  environment: Environment,
  mappedHosts: readonly string[],
): Promise<EnvironmentRow[]> {
  const rows: EnvironmentRow[] = [];
  for (const name of ["NO_PROXY", "no_proxy"] as const) {
    const value = environment[name] ?? "";
    const hosts = value.split(",").some((entry) => entry.trim() === "*") ? ["every host"] : mappedHosts;
    const covered = hosts
      .map((host) => ({ host, entries: entriesCovering(sampleOf(host), value) }))
      .find(({ entries }) => entries.length > 0);
    if (covered !== undefined) {
      const [entry = ""] = covered.entries;
      const places = await whereSet(name, environment);
      const where = places[0] === undefined ? name : `${name} (set in ${places[0]})`;
      const cause = `${name} holds ${JSON.stringify(entry)}, so requests to ${covered.host} go around the gateway.`;
      rows.push({
        name,
        cell: failed(cause, `Take ${JSON.stringify(entry)} out of ${where}, then open a new terminal.`),
      });
    }
  }
  return rows.length > 0 ? rows : [{ name: "NO_PROXY", cell: ok }];
}

/** A host that a mapping covers. */
function sampleOf(host: string): string {
  return host === "every host" ? "any.example" : host.replace(/^\*\./, "any.").replace(/:\d+$/, "");
}

/** Entries of NO_PROXY that hide the doctor's own hosts, and no mapped one: they are left out for the probes. */
export function entriesHidingTheEcho(noProxy: string): string[] {
  return [doctorDomain, internalHost]
    .flatMap((host) => entriesCovering(host, noProxy))
    .filter((entry) => entry !== "*");
}

/** Whether each file of certificates is there, can be read, and holds the gateway's CA. */
export async function checkCaFiles(environment: Environment, ca: string): Promise<EnvironmentRow[]> {
  const wanted = new X509Certificate(ca).fingerprint256;
  const contents = new Map<string, Promise<string | undefined>>();
  const problemOf = (file: string) => {
    let problem = contents.get(file);
    if (problem === undefined) {
      problem = problemOfFile(file, wanted);
      contents.set(file, problem);
    }
    return problem;
  };
  /** Variables with the same trouble make one row. */
  const troubles = new Map<string, string[]>();
  for (const name of [...bundleVariables, "NODE_EXTRA_CA_CERTS"]) {
    const file = environment[name] ?? "";
    const problem = file === "" ? "is not set" : await problemOf(file);
    if (problem !== undefined) {
      troubles.set(problem, [...(troubles.get(problem) ?? []), name]);
    }
  }
  const rows = [...troubles].map(async ([problem, names]): Promise<EnvironmentRow> => {
    const [first = ""] = names;
    const verb = names.length > 1 && problem.startsWith("is ") ? problem.replace("is ", "are ") : problem;
    const [place] = await whereSet(first, environment);
    const fix = problem.includes("does not exist")
      ? "Restart the gateway (OneCLI: Restart Gateway, or start onecli-gateway again), which writes it, then open a new terminal."
      : place === undefined
        ? newTerminal
        : `${place} sets it, after OneCLI has: take that line out, then open a new terminal.`;
    return { name: first, cell: failed(`${names.join(", ")} ${verb}.`, fix) };
  });
  return rows.length > 0 ? await Promise.all(rows) : [{ name: "CA files", cell: ok }];
}

async function problemOfFile(file: string, fingerprint: string): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const { code = "unknown fault" } = error as NodeJS.ErrnoException;
    return code === "ENOENT"
      ? `names ${file}, which does not exist`
      : `names ${file}, which cannot be read (${code})`;
  }
  const holdsIt = (text.match(certificatePattern) ?? []).some((pem) => {
    try {
      return new X509Certificate(pem).fingerprint256 === fingerprint;
    } catch {
      return false;
    }
  });
  return holdsIt ? undefined : `names ${file}, which does not hold the gateway's CA`;
}

/** Whether this machine's clock is within the time of the certificate that the gateway presents for a host. */
export async function checkClock(
  proxy: URL,
  host: string,
  ca: string,
  now = Date.now(),
): Promise<EnvironmentRow> {
  const name = "clock";
  try {
    const leaf = await leafOf(proxy, host, ca);
    const [from, to] = [leaf.validFromDate, leaf.validToDate];
    const isWithin = from.getTime() <= now && now <= to.getTime();
    return { name, cell: isWithin ? ok : clockFailure(from, to, now) };
  } catch (error) {
    const cause = `The gateway's certificate could not be looked at (${(error as NodeJS.ErrnoException).code ?? "no code"}).`;
    return { name, cell: failed(cause, "Restart the gateway, then open a new terminal.") };
  }
}

function clockFailure(from: Date, to: Date, now: number): Cell {
  return failed(
    `It is ${new Date(now).toISOString()} by this machine's clock; the gateway's certificate is good from ${from.toISOString()} to ${to.toISOString()}.`,
    "Set the clock of this machine, or of the container that it runs in.",
  );
}

async function leafOf(proxy: URL, host: string, ca: string): Promise<X509Certificate> {
  const credential = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  const socket = await new Promise<Socket>((resolve, reject) => {
    const target = `${host}:443`;
    request({
      agent: false,
      host: proxy.hostname,
      port: proxy.port,
      method: "CONNECT",
      path: target,
      headers: {
        host: target,
        "proxy-authorization": `Basic ${Buffer.from(credential).toString("base64")}`,
      },
      timeout: 10_000,
    })
      .on("connect", (_response, connection: Socket) => resolve(connection))
      .on("error", reject)
      .end();
  });
  return new Promise((resolve, reject) => {
    // Its dates are what is looked at, so they must not fail the handshake; nothing is sent.
    const secure = connectTls({ socket, ca, servername: host, rejectUnauthorized: false }, () => {
      const leaf = secure.getPeerX509Certificate();
      secure.destroy();
      if (leaf === undefined) {
        reject(new Error("no certificate"));
      } else {
        resolve(leaf);
      }
    }).on("error", reject);
  });
}
