import { type Socket } from "node:net";

/**
 * Waits for what is being done on a connection. Where that fails, or `signal` aborts first, the connection is destroyed.
 * @throws what `work` throws; the reason of `signal`.
 */
export async function orAbandon<T>(connection: Socket, signal: AbortSignal, work: Promise<T>): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abandon = () => aborted.reject(signal.reason as Error);
  signal.addEventListener("abort", abandon);
  try {
    if (signal.aborted) {
      abandon();
    }
    return await Promise.race([aborted.promise, work]);
  } catch (error) {
    connection.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", abandon);
  }
}
