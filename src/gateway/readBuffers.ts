// What upstreams send, read into memory that is used again. Each read of Node's own makes an ArrayBuffer, and V8
// looks through the whole heap whenever those have come to 64 MB: a quarter of what a download costs.
import { type OnReadOpts, type Socket } from "node:net";

/** Says that bytes are needed no longer; only the first call counts. Without it they are garbage at some time. */
export type Release = () => void;

/** Gets what a connection has sent. Whoever keeps a part of it beyond the call holds the lease, if there is one, or copies. */
export type Take = (bytes: Buffer, lease?: Lease) => void;

/** Bytes that Node hands over at a time from a connection without TLS: at most what it would read by itself. */
const readSize = 64 * 1024;
/** The same with TLS: at most those of a record (RFC 8446 §5.1). */
const recordSize = 16 * 1024;
/** Bytes of memory that are kept, of each size, while nobody uses them. */
const maxFree = 4 * 1024 * 1024;

/** Bytes in a buffer of the pool, which gets that back when everyone who held them has released them. */
export class Lease {
  readonly bytes: Buffer;
  readonly #whenFree: () => void;
  #holders = 1;

  constructor(bytes: Buffer, whenFree: () => void) {
    this.bytes = bytes;
    this.#whenFree = whenFree;
  }

  /** For one more holder, as long as there is one. */
  hold(): Release {
    if (this.#holders === 0) {
      throw new Error("the memory is in use for something else");
    }
    this.#holders++;
    return this.#releaseOnce();
  }

  /** For the first holder, who was there from the beginning. */
  readonly release: Release = this.#releaseOnce();

  #releaseOnce(): Release {
    let isHeld = true;
    return () => {
      if (isHeld) {
        isHeld = false;
        if (--this.#holders === 0) {
          this.#whenFree();
        }
      }
    };
  }
}

/** Buffers of one size. */
export class ReadBuffers {
  readonly #size: number;
  readonly #free: Buffer[] = [];

  /** @param size in bytes */
  constructor(size: number) {
    this.#size = size;
  }

  /** Whether so many bytes fill half of a buffer: what is kept for a slow client is at most twice of what it waits for. */
  suits(length: number): boolean {
    return length <= this.#size && length > this.#size / 2;
  }

  /** Copies bytes into a buffer that nobody uses. */
  lend(bytes: Buffer): Lease {
    const buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#size);
    bytes.copy(buffer);
    return new Lease(buffer.subarray(0, bytes.length), () => {
      if ((this.#free.length + 1) * this.#size <= maxFree) {
        this.#free.push(buffer);
      }
    });
  }
}

const pools = [new ReadBuffers(recordSize), new ReadBuffers(readSize)];
/**
 * Where Node puts what it has read or decrypted, of every connection: it does so just before it calls back, and nobody looks at it
 * later than at the beginning of that call. So an idle connection needs no memory of its own.
 */
const landing = Buffer.allocUnsafeSlow(readSize);
const takers = new WeakMap<Socket, Take>();

/**
 * Opens a connection whose bytes go to the one who {@link takeBytes}. Until somebody does it is a stream like any other.
 * @param open makes the connection with this option (`onread` of node:net), which Node heeds only where it dials itself
 */
export function openReusing<T extends Socket>(open: (onread: OnReadOpts) => T): T {
  const socket: T = open({
    buffer: landing,
    callback: (length) => arrived(socket, landing.subarray(0, length)),
  });
  return socket;
}

/**
 * Hands what a connection sends to `take`, from now on and for good. A little more may come after the connection was
 * paused: the rest of what Node had read by then.
 */
export function takeBytes(socket: Socket, take: Take): void {
  takers.set(socket, take);
  socket.on("data", (chunk: Buffer) => take(chunk));
}

/** @returns false where the connection should read no more for now */
function arrived(socket: Socket, landed: Buffer): boolean {
  const take = takers.get(socket);
  // Nothing overtakes what the stream still holds.
  if (take === undefined || socket.readableLength > 0) {
    return socket.push(Buffer.from(landed));
  }
  const pool = pools.find((pool) => pool.suits(landed.length));
  if (pool === undefined) {
    take(Buffer.from(landed));
  } else {
    const lease = pool.lend(landed);
    take(lease.bytes, lease);
    lease.release();
  }
  return true;
}
