// Sentences that stay English until they are shown: logs, and programs that ask over the API, get them as they are.

export interface Phrase {
  /** English, and the key of its translation; `{0}`, `{1}`, … stand for the arguments. */
  readonly text: string;
  readonly args: readonly (string | number | Phrase)[];
}

export function t(text: string, ...args: Phrase["args"]): Phrase {
  return { text, args };
}

/** What the core and the gateway put together at run time of texts of theirs. */
const framesOfTexts = [
  "The secret reference is not valid: {0}.",
  "The secret cannot be sent: its value {0}.",
  "No {0} matches: the service account sees none of that name or id.",
  "More than one {0} matches; use the id of the {0}.",
  "1Password could not be reached. {0}",
  "The host {0}.",
  "The parent proxy ({0}) {1}.",
  "The parent proxy {0}.",
];

/** The same of names and numbers, which are the same in every language. */
const framesOfNames = [
  "it has {0} part(s) where vault, item, an optional section and field are wanted",
  "1Password did not answer within {0} seconds.",
  "The path can be read in more than one way, and on {0} the secret depends on it.",
  "Port {0} cannot be had ({1}).",
  "The files of the gateway cannot be written ({0}).",
  "header Authorization: Basic, user name {0}",
  "header {0}",
  "query parameter {0}",
];

/** English, with places. The first that fits counts. */
export const frames: readonly string[] = [...framesOfTexts, ...framesOfNames];

const patterns = frames.map((text) => {
  const known = new Set<string>();
  const source = text.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{(\d)\}/g, (_, index: string) => {
    const isKnown = known.has(index);
    known.add(index);
    return isKnown ? `\\${Number(index) + 1}` : "(.+)";
  });
  return { text, pattern: new RegExp(`^${source}$`), read: framesOfTexts.includes(text) ? ofCore : String };
});

/** A text of the core: its source is not the extension's alone, so it stands there without its translation. */
export function ofCore(text: string): Phrase {
  for (const { text: frame, pattern, read } of patterns) {
    const match = pattern.exec(text);
    if (match !== null) {
      return { text: frame, args: match.slice(1).map((part) => read(part)) };
    }
  }
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
