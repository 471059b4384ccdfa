/** The custom inspection symbol of Node's `util.inspect`, which this folder does not import. */
const inspect = Symbol.for("nodejs.util.inspect.custom");

const redacted = "‹secret›";

/**
 * The only way a secret travels from its source to the header. However it is printed, logged, serialised or sent in
 * a message, nothing but a placeholder shows. `reveal()` is called where the header is written and nowhere else.
 */
export class SecretValue {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return redacted;
  }

  toJSON(): string {
    return redacted;
  }

  [inspect](): string {
    return redacted;
  }
}
