import { request as httpRequest } from "node:http";
import { type Socket } from "node:net";
import { OneCliError } from "../core/errors.ts";
import { type Authority } from "../core/hostname.ts";
import { type ParentProxy, titleOf } from "../core/parentProxy.ts";

/**
 * Has an HTTP proxy, at the other end of a connection, open a tunnel to a host (RFC 9110 §9.3.6).
 * @throws OneCliError `upstream-unreachable`
 */
export function connectByHttp(
  connection: Socket,
  parent: ParentProxy,
  { host, port }: Authority,
): Promise<Socket> {
  const target = `${host}:${port}`;
  return new Promise((resolve, reject) => {
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
      const { statusCode = 0 } = response;
      if (statusCode >= 200 && statusCode < 300) {
        // A server that speaks first may have been quick.
        socket.unshift(head);
        resolve(socket);
      } else {
        reject(refusal(statusCode, response.headers["proxy-authenticate"] ?? "", parent, host));
      }
    });
    request.once("error", (cause: NodeJS.ErrnoException) => {
      const what = cause.code?.startsWith("HPE_")
        ? `The ${titleOf(parent)} gave an answer that is no HTTP when asked for ${host}: is it one, and of this kind?`
        : `The ${titleOf(parent)} closed the connection when asked for ${host}.`;
      reject(new OneCliError("upstream-unreachable", what, { cause }));
    });
    request.end();
  });
}

/** What a parent proxy means by its answer, and what to change. @param challenges value of `Proxy-Authenticate`. */
export function refusal(status: number, challenges: string, parent: ParentProxy, host: string): OneCliError {
  const meaning = explain(status, challenges, parent);
  const message = `The ${titleOf(parent)} answered ${status} when asked for ${host}${meaning}.`;
  return new OneCliError("upstream-unreachable", message);
}

function explain(status: number, challenges: string, parent: ParentProxy): string {
  switch (status) {
    case 403:
      return ": it does not allow that";
    case 407:
      return explainLogin(challenges, parent);
    case 502:
    case 503:
    case 504:
      return ": it cannot reach that host itself";
    default:
      return "";
  }
}

function explainLogin(challenges: string, { authorization, title }: ParentProxy): string {
  if (challenges !== "" && !/\bbasic\b/i.test(challenges)) {
    return ": it wants a login of another kind than user name and password (Basic)";
  }
  return authorization === undefined && title === undefined
    ? ": it wants a login, so put user:password@ before the host in the proxy's URL"
    : ": it does not accept the user name and password that it is given";
}
