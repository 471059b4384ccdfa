// An intercepted connection that speaks HTTP/1.1: its requests, one after the other. The next one is looked at when the
// one before it has come and is answered.
import { type TLSSocket } from "node:tls";
import { OneCliError } from "../core/errors.ts";
import { type RawHeaders } from "../core/headers.ts";
import { closeWithError, lingerThenDestroy } from "./answers.ts";
import { type Connections } from "./connections.ts";
import { Exchange, type ExchangeOrigin, type ExchangeServices } from "./exchange.ts";
import { type Http1Client, Http1Downstream } from "./http1Downstream.ts";
import { type Framing, MalformedMessage, type MessageParts, MessageReader } from "./http1Message.ts";
import { expectsContinue, http1Request, refuseOtherProtocol } from "./http1Request.ts";

/** Bytes that are kept of what comes behind a request whose answer is still to come. */
const maxBehind = 64 * 1024;

export class Http1ServerConnection implements Http1Client, MessageParts {
  readonly socket: TLSSocket;
  readonly origin: ExchangeOrigin;
  readonly #services: ExchangeServices;
  readonly #connections: Connections;
  readonly #reader = new MessageReader(this, { skipsEmptyLines: true });
  /** The one that is not answered yet, or that has not come whole. */
  #request: Http1Downstream | undefined;
  #exchange: Exchange | undefined;
  #isAnswered = false;

  constructor(
    socket: TLSSocket,
    origin: ExchangeOrigin,
    services: ExchangeServices,
    connections: Connections,
  ) {
    this.socket = socket;
    this.origin = origin;
    this.#services = services;
    this.#connections = connections;
    connections.add(socket);
    socket.on("data", this.#onBytes);
    socket.on("end", this.#onFinished);
    socket.on("close", this.#onClosed);
    socket.on("drain", this.#onDrained);
    // "close" says all there is to know.
    socket.on("error", () => undefined);
    this.#reader.expect();
  }

  // What a request asks for.

  readBody(request: Http1Downstream): void {
    if (this.#reader.isPaused || this.socket.isPaused()) {
      // Behind what whoever asked for it has to do first.
      process.nextTick(() => {
        if (request === this.#request && !request.complete) {
          this.#readOn();
        }
      });
    }
  }

  readonly onSent = (error?: Error | null): void => {
    const request = this.#request;
    if (error || request === undefined) {
      return;
    }
    this.#isAnswered = true;
    request.answered();
    if (request.isLast) {
      this.#close(request);
    } else {
      // First: on a connection that is to be closed, what has come already is still answered.
      this.#nextIfDone(request);
    }
    this.#connections.requestEnded(this.socket);
  };

  handOver(): void {
    const { socket } = this;
    this.#connections.release(socket);
    socket.off("data", this.#onBytes);
    socket.off("end", this.#onFinished);
    socket.off("close", this.#onClosed);
    socket.off("drain", this.#onDrained);
    socket.pause();
    socket.unshift(this.#reader.takeBehind());
  }

  // What the reader of messages calls.

  onHead(line: string, headers: RawHeaders): Framing {
    const head = http1Request(line, headers);
    const request = new Http1Downstream(head, this);
    this.#request = request;
    this.#isAnswered = false;
    this.#connections.requestStarted(this.socket, request);
    if (expectsContinue(head)) {
      this.socket.write("HTTP/1.1 100 Continue\r\n\r\n", "latin1");
    }
    if (request.hasBody) {
      // Until somebody wants it.
      this.#reader.pause();
    }
    this.#exchange = new Exchange(request, this.origin, this.#services);
    void this.#exchange.forwardMapped();
    return head.framing;
  }

  onData(chunk: Buffer): void {
    if (this.#request?.receive(chunk) === false) {
      this.socket.pause();
    }
  }

  onEnd(trailers: RawHeaders): void {
    const request = this.#request;
    if (request !== undefined) {
      this.#reader.pause();
      request.finish(trailers);
      this.#nextIfDone(request);
    }
  }

  onPartOfHead(bytes: Buffer): void {
    refuseOtherProtocol(bytes);
  }

  readonly #onBytes = (chunk: Buffer): void => {
    if (!this.socket.writable) {
      // It cannot be answered.
      return;
    }
    this.#read(chunk);
    if (this.#reader.bytesBehind > maxBehind) {
      this.socket.pause();
    }
  };

  /** Reads what was kept, and what comes. */
  #readOn(): void {
    if (!this.socket.destroyed) {
      // First: whoever gets what was kept may have enough of it.
      this.socket.resume();
      this.#read();
    }
  }

  /** @param chunk undefined: what came while reading was paused */
  #read(chunk?: Buffer): void {
    try {
      if (chunk === undefined) {
        this.#reader.resume();
      } else {
        this.#reader.read(chunk);
      }
    } catch (error) {
      if (!(error instanceof MalformedMessage)) {
        throw error;
      }
      const code = error.isTooLarge ? "header-too-large" : "bad-request";
      this.#refuse(new OneCliError(code, `The request ${error.message}.`));
    }
  }

  /** What the client sends is no HTTP, or ends in the middle of it. */
  #refuse(refusal: OneCliError): void {
    this.socket.off("data", this.#onBytes);
    if (this.#request === undefined) {
      closeWithError(this.socket, refusal);
    } else {
      this.#exchange?.failLast(refusal);
      lingerThenDestroy(this.socket);
    }
  }

  #nextIfDone(request: Http1Downstream): void {
    if (!this.#isAnswered || !request.complete) {
      return;
    }
    this.#request = undefined;
    this.#exchange = undefined;
    if (!request.isLast) {
      this.#reader.expect();
      this.#readOn();
    }
  }

  /** After the last answer. A client that has more to say is listened to, or it would lose the answer. */
  #close(request: Http1Downstream): void {
    if (request.complete && this.#reader.bytesBehind === 0) {
      this.socket.destroySoon();
    } else if (request.complete) {
      this.socket.end();
      lingerThenDestroy(this.socket);
    } else {
      this.socket.end();
    }
  }

  /** The client has ended its side: it has left, unless that is in the middle of a request. */
  readonly #onFinished = (): void => {
    if (!this.#reader.isPaused && this.#reader.finish() === "within" && this.socket.writable) {
      this.#refuse(new OneCliError("bad-request", "The request ends before it is whole."));
      return;
    }
    this.socket.end();
  };

  readonly #onClosed = (): void => {
    this.#request?.left();
    this.#request = undefined;
  };

  readonly #onDrained = (): void => {
    this.#request?.drained();
  };
}
