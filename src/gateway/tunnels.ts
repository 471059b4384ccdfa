import { type Socket } from "node:net";
import { type OneCliError, describeError } from "../core/errors.ts";
import { type Authority, formatAuthority } from "../core/hostname.ts";
import { type Activity } from "./activity.ts";
import { type ExchangeOrigin } from "./exchange.ts";
import { takeBytes } from "./readBuffers.ts";

/** Connections to hosts that are not mapped: bytes both ways, and not a look at them. */
export class Tunnels {
  readonly #activity: Activity;
  readonly #open = new Map<Socket, { readonly target: Socket; readonly authority: Authority }>();

  constructor(activity: Activity) {
    this.#activity = activity;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Ties a client to its target until both have finished; either may finish first. */
  join(client: Socket, target: Socket, origin: ExchangeOrigin, startedAt: number): void {
    if (client.destroyed || target.destroyed) {
      client.destroy();
      target.destroy();
      return;
    }
    this.#open.set(client, { target, authority: origin.authority });
    client.setNoDelay(true);
    const headMs = performance.now() - startedAt;
    // Bytes of the CONNECT itself, and of its answer, are not the tunnel's.
    const [received, sent] = [client.bytesRead - client.readableLength, client.bytesWritten];
    const end = () => {
      client.destroy();
      target.destroy();
    };
    client.on("error", end);
    target.on("error", end);
    client.once("close", () => {
      this.#open.delete(client);
      target.destroy();
      this.#record(origin, startedAt, {
        status: 200,
        headMs,
        bytesUp: client.bytesRead - received,
        bytesDown: client.bytesWritten - sent,
      });
    });
    target.once("close", () => {
      // What the target sent last may still be on its way to the client.
      if (client.writableEnded) {
        client.destroySoon();
      } else {
        client.destroy();
      }
    });
    client.pipe(target);
    carry(target, client);
  }

  /** @param error the refusal that the client got; none where the client left before there was one. */
  recordFailure(origin: ExchangeOrigin, error: OneCliError | undefined, startedAt: number): void {
    const outcome =
      error === undefined ? { status: 0 } : { status: describeError(error.code).status, error: error.code };
    const headMs = performance.now() - startedAt;
    this.#record(origin, startedAt, { ...outcome, headMs, bytesUp: 0, bytesDown: 0 });
  }

  /** Closes the tunnels to hosts that are mapped by now. */
  closeMapped(isMapped: (authority: Authority) => boolean): void {
    for (const [client, { authority }] of this.#open) {
      if (isMapped(authority)) {
        client.destroy();
      }
    }
  }

  destroyAll(): void {
    for (const client of [...this.#open.keys()]) {
      client.destroy();
    }
  }

  #record(
    { authority, agent }: ExchangeOrigin,
    startedAt: number,
    result: {
      status: number;
      error?: OneCliError["code"];
      headMs: number;
      bytesUp: number;
      bytesDown: number;
    },
  ): void {
    const totalMs = performance.now() - startedAt;
    this.#activity.add({
      at: Date.now() - Math.round(totalMs),
      kind: "tunnel",
      agent,
      method: "CONNECT",
      host: formatAuthority(authority),
      path: "",
      totalMs,
      ...result,
    });
  }
}

/** As `target.pipe(client)`, from memory that is used again. */
function carry(target: Socket, client: Socket): void {
  takeBytes(target, (bytes, lease) => {
    if (!client.write(bytes, lease?.hold())) {
      target.pause();
    }
  });
  client.on("drain", () => target.resume());
  target.once("end", () => client.end());
}
