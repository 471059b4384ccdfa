// Anything thrown, in words.
import { describeError, OneCliError } from "../core/errors.ts";
import { inWords } from "./l10n.ts";
import { inEnglish, ofCore, type Phrase, PhraseError, t } from "./phrase.ts";

/** For a person, in the editor's language. */
export function explain(error: unknown): string {
  return put(error, inWords);
}

/** The same for the log. */
export function explainInEnglish(error: unknown): string {
  return put(error, inEnglish);
}

function put(error: unknown, say: (phrase: Phrase) => string): string {
  if (error instanceof PhraseError) {
    return say(error.phrase);
  }
  if (error instanceof OneCliError) {
    const { hint } = describeError(error.code);
    // What is wrong with the machine or its settings reads as a bad request, whose hint is for agents.
    const message = say(ofCore(error.message));
    return ["internal", "bad-request"].includes(error.code) ? message : `${message} ${say(ofCore(hint))}`;
  }
  return error instanceof Error ? error.message : say(t("It failed for an unknown reason."));
}
