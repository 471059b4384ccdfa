/** One line for the person who started the program: what is wrong, and where. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}
