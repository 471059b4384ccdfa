import { createHash } from "node:crypto";
import { type Duplex } from "node:stream";
import { type Authority } from "../core/hostname.ts";

/** The proof that a handshake's key was read (RFC 6455 §4.2.2). */
export function acceptOf(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

interface WebSocket {
  readonly client: Duplex;
  readonly mapped: Authority | undefined;
}

/** Open WebSockets: bytes both ways, and not a look at them. */
export class WebSockets {
  readonly #open = new Set<WebSocket>();

  /**
   * Ties the two ends until both have finished; either may finish first.
   * @param mapped the host whose secret opened it, if one did
   * @param whenClosed gets the bytes of each way
   */
  join(
    client: Duplex,
    upstream: Duplex,
    mapped: Authority | undefined,
    whenClosed: (bytesUp: number, bytesDown: number) => void,
  ): void {
    const webSocket = { client, mapped };
    this.#open.add(webSocket);
    const up = pump(client, upstream);
    const down = pump(upstream, client);
    let open = 2;
    for (const [end, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      end.on("error", () => undefined);
      end.once("close", () => {
        if (!other.writableEnded) {
          other.destroy(new Error("the other end is gone"));
        } else if (other.readableEnded || end.destroyed) {
          closeSoon(other);
        }
        if (--open === 0) {
          this.#open.delete(webSocket);
          whenClosed(up(), down());
        }
      });
    }
  }

  /** Closes those to hosts that are no longer mapped: a secret opened them. */
  closeUnmapped(isMapped: (authority: Authority) => boolean): void {
    for (const { client, mapped } of this.#open) {
      if (mapped !== undefined && !isMapped(mapped)) {
        client.destroy();
      }
    }
  }

  destroyAll(): void {
    for (const { client } of this.#open) {
      client.destroy();
    }
  }
}

/** Carries bytes one way. @returns how many so far. */
function pump(from: Duplex, to: Duplex): () => number {
  let bytes = 0;
  from.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (!to.destroyed && !to.write(chunk)) {
      from.pause();
    }
  });
  to.on("drain", () => from.resume());
  // Whoever hands over a socket has paused it, and a listener does not undo that.
  from.resume();
  from.once("end", () => to.end());
  return () => bytes;
}

/** Closes an end that was told all there is, once it has sent it. */
function closeSoon(end: Duplex): void {
  if (end.writableFinished) {
    end.destroy();
  } else {
    end.once("finish", () => end.destroy());
  }
}
