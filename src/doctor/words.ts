/** What a program said, as one line that can be shown: no colours, no control characters, no credentials. */
export function lastWords(text: string, secrets: readonly string[] = []): string {
  const lines = text
    // eslint-disable-next-line no-control-regex -- escape sequences are what is looked for.
    .replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, "")
    .split(/[\r\n]+/)
    // eslint-disable-next-line no-control-regex -- as above
    .map((line) => line.replaceAll(/[\u0000-\u001f\u007f]/g, " ").trim())
    // Frames of a stack tell a person nothing.
    .filter((line) => line !== "" && !/^(?:at \S|\.\.\. \d+ more)/.test(line));
  // Behind its fault curl goes on with advice.
  let words = lines.find((line) => /^curl: \(\d+\) /.test(line)) ?? lines.at(-1) ?? "";
  for (const secret of secrets) {
    words = secret === "" ? words : words.replaceAll(secret, "…");
  }
  words = words.replaceAll(/:\/\/[^/\s@]*@/g, "://…@");
  return words.length > 300 ? `${words.slice(0, 299)}…` : words;
}
