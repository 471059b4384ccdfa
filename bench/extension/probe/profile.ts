import { writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";

/** Microseconds. */
const interval = 200;

/** A CPU profile of the thread that it runs in. */
export class Profile {
  readonly #session = new Session();

  async begin(): Promise<void> {
    this.#session.connect();
    await this.#session.post("Profiler.enable");
    await this.#session.post("Profiler.setSamplingInterval", { interval });
    await this.#session.post("Profiler.start");
  }

  async end(file: string): Promise<void> {
    const { profile } = await this.#session.post("Profiler.stop");
    this.#session.disconnect();
    writeFileSync(file, JSON.stringify(profile));
  }
}
