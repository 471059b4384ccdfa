/**
 * Removes parameters from the query of a request target and, where one is given, writes another: in the place of the
 * first of its name, or at the end. Everything else stays as it is, byte for byte and in its order.
 * @param names of the parameters to remove, decoded.
 */
export function editQuery(
  target: string,
  names: readonly string[],
  written?: { readonly name: string; readonly value: string },
): string {
  // A fragment has no business in a request; what is written must stay in front of it all the same.
  const [, path = "", query = "", fragment = ""] = /^([^?#]*)(?:\?([^#]*))?(#.*)?$/s.exec(target) ?? [];
  if (query === "" && written === undefined) {
    return target;
  }
  let parameter =
    written === undefined
      ? undefined
      : `${encodeURIComponent(written.name)}=${encodeURIComponent(written.value)}`;
  const kept: string[] = [];
  for (const part of query === "" ? [] : query.split("&")) {
    const name = decodedName(part);
    if (name === written?.name) {
      kept.push(...(parameter === undefined ? [] : [parameter]));
      parameter = undefined;
    } else if (!names.includes(name)) {
      kept.push(part);
    }
  }
  if (parameter !== undefined) {
    kept.push(parameter);
  }
  return path + (kept.length === 0 ? "" : `?${kept.join("&")}`) + fragment;
}

/** A parameter's name as servers read it (application/x-www-form-urlencoded), one character per byte. */
function decodedName(part: string): string {
  const equals = part.indexOf("=");
  const name = equals === -1 ? part : part.slice(0, equals);
  return name
    .replaceAll("+", " ")
    .replace(/%([0-9a-f]{2})/gi, (_encoded, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
