// What a run has started, ended in reverse order. (A disposable stack; the lib of ES2024 has none.)
export class Cleanup {
  readonly #steps: (() => unknown)[] = [];

  /** Adds a step to do before those added earlier. */
  defer(step: () => unknown): void {
    this.#steps.push(step);
  }

  /** Takes every step, whatever becomes of the others. */
  async run(): Promise<void> {
    const failures: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) {
      throw new AggregateError(failures, `clean-up: ${failures.map(String).join("; ")}`);
    }
  }
}
