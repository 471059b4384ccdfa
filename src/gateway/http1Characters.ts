// Characters of HTTP/1.1's fields. Looked up and not matched: every head is looked at, character by character.

/** Of names of fields, and of methods (RFC 9110 §5.6.2). */
const ofTokens = table(/[!#$%&'*+\-.^_`|~\dA-Za-z]/);
/** Of values of fields (RFC 9110 §5.5). */
const ofValues = table(/[\t\x20-\x7e\x80-\xff]/);

function table(form: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => Number(form.test(String.fromCharCode(code))));
}

export function isToken(text: string): boolean {
  return text !== "" && isMadeOf(ofTokens, text);
}

/** Whether it is text of one line, each character of which is one byte. */
export function isFieldValue(text: string): boolean {
  return isMadeOf(ofValues, text);
}

function isMadeOf(characters: Uint8Array, text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    // Beyond the table there is nothing.
    if (characters[text.charCodeAt(index)] !== 1) {
      return false;
    }
  }
  return true;
}

/** @returns where the token ends that begins at `from` */
export function endOfToken(text: string, from: number): number {
  return endOf(ofTokens, text, from);
}

/** @returns where the value ends that begins at `from`, with the blanks behind it */
export function endOfValue(text: string, from: number): number {
  return endOf(ofValues, text, from);
}

function endOf(characters: Uint8Array, text: string, from: number): number {
  let end = from;
  while (end < text.length && characters[text.charCodeAt(end)] === 1) {
    end++;
  }
  return end;
}
