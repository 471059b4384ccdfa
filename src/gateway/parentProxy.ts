// The proxy that this machine had before us, and the way to a host: straight, or through it.
import { request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { OneCliError } from "../core/errors.ts";
import { type Authority, withoutBrackets } from "../core/hostname.ts";
import { sessionMarker } from "../core/terminalEnvironment.ts";

export interface ParentProxy {
  readonly host: string;
  readonly port: number;
  /** Value of `Proxy-Authorization`, from the URL's user name and password. */
  readonly authorization?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Says what is wrong with a parent proxy's URL, without the URL: it may hold a password. */
export class ParentProxyError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "ParentProxyError";
  }
}

/** @throws ParentProxyError */
export function parseParentProxy(text: string): ParentProxy {
  let url: URL;
  try {
    // A bare host:port is what many people write in HTTPS_PROXY.
    url = new URL(text.includes("://") ? text : `http://${text}`);
  } catch {
    throw new ParentProxyError("is no URL");
  }
  if (url.protocol !== "http:") {
    throw new ParentProxyError(`has the scheme ${url.protocol}// where http:// is wanted`);
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    throw new ParentProxyError("has a path, a query or a fragment");
  }
  const credentials = `${decode(url.username)}:${decode(url.password)}`;
  return {
    host: url.hostname,
    port: url.port === "" ? 80 : Number(url.port),
    ...(credentials !== ":" && { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` }),
  };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new ParentProxyError("has a user name or password with a % that stands for nothing");
  }
}

/**
 * The parent proxy that the gateway's own environment names, unless that is a gateway of ours: inside a terminal of
 * ours the variables lead back to it.
 * @throws ParentProxyError
 */
export function parentProxyOfEnvironment(environment: Environment): ParentProxy | undefined {
  // A variable that is set to nothing counts as not set.
  const text = [environment["HTTPS_PROXY"], environment["https_proxy"]].find(
    (value) => value !== undefined && value !== "",
  );
  if (text === undefined) {
    return undefined;
  }
  const parent = parseParentProxy(text);
  return `${parent.host}:${parent.port}` === environment[sessionMarker] ? undefined : parent;
}

/**
 * Opens a TCP connection to a host, or a tunnel to it through the parent proxy.
 * @throws OneCliError `upstream-unreachable`, `upstream-timeout` when `signal` aborts with one.
 */
export function dial(
  authority: Authority,
  parent: ParentProxy | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  return parent === undefined ? dialDirectly(authority, signal) : dialThrough(parent, authority, signal);
}

function dialDirectly(
  { host, port }: Pick<Authority, "host" | "port">,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // Either side may finish first; a tunnel must carry the other direction on.
    const socket = connect({ host: withoutBrackets(host), port, allowHalfOpen: true, noDelay: true });
    const abandon = () => {
      socket.destroy();
      reject(signal.reason as Error);
    };
    if (signal.aborted) {
      abandon();
      return;
    }
    signal.addEventListener("abort", abandon, { once: true });
    const onError = (error: NodeJS.ErrnoException) => {
      signal.removeEventListener("abort", abandon);
      reject(
        new OneCliError("upstream-unreachable", `${host} cannot be reached: ${explain(error)}.`, {
          cause: error,
        }),
      );
    };
    socket.once("error", onError);
    socket.once("connect", () => {
      signal.removeEventListener("abort", abandon);
      socket.off("error", onError);
      resolve(socket);
    });
  });
}

async function dialThrough(parent: ParentProxy, authority: Authority, signal: AbortSignal): Promise<Socket> {
  let connection: Socket;
  try {
    connection = await dialDirectly(parent, signal);
  } catch (error) {
    if (error === signal.reason) {
      throw error;
    }
    throw new OneCliError("upstream-unreachable", "The parent proxy cannot be reached.", { cause: error });
  }
  const target = `${authority.host}:${authority.port}`;
  return new Promise((resolve, reject) => {
    const abandon = () => {
      connection.destroy();
      reject(signal.reason as Error);
    };
    signal.addEventListener("abort", abandon, { once: true });
    const request = httpRequest({
      method: "CONNECT",
      path: target,
      createConnection: () => connection,
      headers: {
        host: target,
        ...(parent.authorization !== undefined && { "proxy-authorization": parent.authorization }),
      },
    });
    request.once("connect", (response, socket: Socket, head: Buffer) => {
      signal.removeEventListener("abort", abandon);
      if (response.statusCode === 200) {
        socket.unshift(head);
        resolve(socket);
        return;
      }
      socket.destroy();
      reject(
        new OneCliError(
          "upstream-unreachable",
          `The parent proxy answered ${String(response.statusCode)} when asked for ${authority.host}.`,
        ),
      );
    });
    request.once("error", (error) => {
      signal.removeEventListener("abort", abandon);
      reject(
        new OneCliError(
          "upstream-unreachable",
          `The parent proxy did not open a tunnel to ${authority.host}.`,
          {
            cause: error,
          },
        ),
      );
    });
    request.end();
  });
}

const explanations: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was reset",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  ENOTFOUND: "the name does not resolve",
  EAI_AGAIN: "the name cannot be resolved at the moment",
  ETIMEDOUT: "no answer",
};

function explain(error: NodeJS.ErrnoException): string {
  return explanations[error.code ?? ""] ?? "the connection failed";
}
