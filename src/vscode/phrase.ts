// Sentences that stay English until they are shown: logs, and programs that ask over the API, get them as they are.

export interface Phrase {
  /** English, and the key of its translation; `{0}`, `{1}`, … stand for the arguments. */
  readonly text: string;
  readonly args: readonly (string | number | Phrase)[];
}

export function t(text: string, ...args: Phrase["args"]): Phrase {
  return { text, args };
}

/** A text of the core: its source is not the extension's alone, so it stands there without its translation. */
export function ofCore(text: string): Phrase {
  return { text, args: [] };
}

export function inEnglish({ text, args }: Phrase): string {
  return text.replace(/\{(\d+)\}/g, (whole, index: string) => {
    const arg = args[Number(index)];
    return arg === undefined ? whole : typeof arg === "object" ? inEnglish(arg) : String(arg);
  });
}

/** An error with a sentence for the person; `message` is the English one. */
export class PhraseError extends Error {
  readonly phrase: Phrase;

  constructor(phrase: Phrase, options?: ErrorOptions) {
    super(inEnglish(phrase), options);
    this.name = "PhraseError";
    this.phrase = phrase;
  }
}
