// What an agent holds in place of a key.

/** One of them is in every placeholder, so that a text without one is known after one look. */
const marks = /onecli|0ec110ec11/;

/**
 * A placeholder in the shape of a real key: letters and digits behind a prefix. Put together at run time: scanners of
 * packages and repositories take the whole for a leaked key.
 * @param length of the whole; @param id the service's, which tells placeholders apart.
 */
export function placeholderKey(prefix: string, length: number, id: string): string {
  const words = id.split("-").map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${prefix}onecli${words.join("")}Placeholder`.padEnd(length, "0").slice(0, length);
}

/** The same for keys of hexadecimal digits. */
export function placeholderHexKey(prefix: string, length: number, id: string): string {
  const digits = Array.from(id, (character) => character.charCodeAt(0).toString(16)).join("");
  return `${prefix}0ec110ec11${digits}`.padEnd(length, "0").slice(0, length);
}

/** Whether a text may hold a placeholder; false for nearly all that do not. */
export function mayHoldPlaceholder(text: string): boolean {
  return marks.test(text);
}
