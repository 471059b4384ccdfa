// The API on its own port: node:http in front of the routes.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, type Socket } from "node:net";
import { once } from "node:events";
import { type SecureContextOptions, Server as TlsServer } from "node:tls";
import { OneCliError, toOneCliError } from "../core/errors.ts";
import { closeWithError, lingerThenDestroy } from "../gateway/answers.ts";
import { clientErrorOf, maxHeaderBytes } from "../gateway/requestParsing.ts";
import { type ManagementApi, type ManagementApiOptions } from "../shared/management.ts";
import { type ServerIdentity } from "../shared/serverIdentity.ts";
import { refuseOrigin, refuseWebPages, requireToken } from "./access.ts";
import { makeApp, sendError } from "./app.ts";
import { endpoints } from "./endpoints.ts";

const maxBodyBytes = 64 * 1024;

/** Milliseconds. */
const limits = {
  headersTimeout: 30_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 60_000,
  connectionsCheckingInterval: 5_000,
};

/** A program on this machine needs few; more would only be held against us. */
const maxConnections = 100;

/** How long answers that are under way may take when the API is closed, in milliseconds. */
const closeTime = 1_000;

/** @throws Error with Node's code (`EADDRINUSE`) where the port cannot be had. */
export async function startManagementApi(options: ManagementApiOptions): Promise<ManagementApi> {
  const api = new ApiServer(options);
  await api.listen();
  return api;
}

class ApiServer implements ManagementApi {
  readonly #options: ManagementApiOptions;
  readonly #answer: (request: Request) => Promise<Response>;
  readonly #openPaths: ReadonlySet<string>;
  readonly #server: Server;

  constructor(options: ManagementApiOptions) {
    this.#options = options;
    const all = endpoints(options.management);
    this.#answer = makeApp(all);
    this.#openPaths = new Set(all.filter(({ isOpen }) => isOpen === true).map(({ path }) => path));
    // Host is looked at here, whether it is there or not.
    const http = { maxHeaderSize: maxHeaderBytes, requireHostHeader: false, ...limits };
    this.#server =
      options.tls === undefined
        ? createServer(http)
        : createHttpsServer({
            ...http,
            ...secureContext(options.tls),
            handshakeTimeout: limits.headersTimeout,
          });
    this.#server.maxConnections = maxConnections;
    const onRequest = (request: IncomingMessage, response: ServerResponse) =>
      void this.#serve(request, response);
    this.#server.on("request", onRequest);
    // With `Expect: 100-continue` a refusal comes before the body.
    this.#server.on("checkContinue", onRequest);
    this.#server.on("connect", (_request, socket: Socket) => {
      closeWithError(socket, new OneCliError("method-not-allowed", "The API is no proxy."));
    });
    this.#server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
      const refusal =
        error.code === "ERR_HTTP_REQUEST_TIMEOUT"
          ? new OneCliError("request-timeout", "The request was not complete in time.")
          : clientErrorOf(error);
      if (refusal === undefined) {
        socket.destroy();
      } else {
        closeWithError(socket, refusal);
      }
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<void> {
    const { port, address = "127.0.0.1" } = this.#options;
    this.#server.listen(port, address);
    await once(this.#server, "listening");
  }

  setIdentity(identity: ServerIdentity): void {
    if (this.#server instanceof TlsServer) {
      this.#server.setSecureContext(secureContext(identity));
    }
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeIdleConnections();
    const limit = setTimeout(() => this.#server.closeAllConnections(), closeTime);
    await closed;
    clearTimeout(limit);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await write(await this.#respond(request, response), request, response);
    } catch (error) {
      // The client has gone, or the answer could not be made: it is too late for another one.
      request.socket.destroy(error as Error);
    }
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<Response> {
    try {
      const path = this.#admit(request);
      const page = this.#options.pages?.[path];
      if (page !== undefined && request.method === "GET") {
        const { status, contentType, body } = await page.answer();
        return new Response(body, { status, headers: { "content-type": contentType } });
      }
      return await this.#answer(await toWebRequest(request, response));
    } catch (error) {
      return sendError(toOneCliError(error));
    }
  }

  /** The path of a request that may be made. @throws OneCliError */
  #admit(request: IncomingMessage): string {
    const { hosts = [], pages = {}, token } = this.#options;
    const { url = "" } = request;
    if (!url.startsWith("/")) {
      throw new OneCliError("bad-request", "The API is no proxy: the target of a request starts with /.");
    }
    const [path = ""] = url.split("?", 1);
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
    if (page?.isOpen === true) {
      refuseOrigin(request.headers.origin);
      return path;
    }
    refuseWebPages(request, hosts);
    if (!this.#openPaths.has(path)) {
      requireToken(request, token);
    }
    return path;
  }
}

function secureContext({ certificate, key }: ServerIdentity): SecureContextOptions {
  return { cert: certificate, key, minVersion: "TLSv1.2" };
}

async function toWebRequest(request: IncomingMessage, response: ServerResponse): Promise<Request> {
  const { method = "GET", url = "/", headers } = request;
  const body = await readBody(request, response);
  const contentType = headers["content-type"];
  return new Request(`http://api.invalid${url}`, {
    method,
    headers: contentType === undefined ? {} : { "content-type": contentType },
    ...(method !== "GET" && method !== "HEAD" && body.length > 0 && { body: new Uint8Array(body) }),
  });
}

/** @throws OneCliError `body-too-large` */
async function readBody(request: IncomingMessage, response: ServerResponse): Promise<Buffer> {
  const tooLarge = new OneCliError("body-too-large", "The body is larger than 64 KB.");
  if (Number(request.headers["content-length"] ?? 0) > maxBodyBytes) {
    throw tooLarge;
  }
  if (request.headers.expect !== undefined) {
    response.writeContinue();
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) {
      throw tooLarge;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function write(answer: Response, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = Buffer.from(await answer.arrayBuffer());
  if (!request.complete) {
    // What is still coming is not read: the connection is over with this answer.
    response.setHeader("connection", "close");
    response.once("finish", () => lingerThenDestroy(request.socket));
  }
  response.writeHead(answer.status, {
    ...Object.fromEntries(answer.headers),
    ...(answer.status !== 204 && request.method !== "HEAD" && { "content-length": body.length }),
  });
  response.end(body);
}
