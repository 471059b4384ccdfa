// An explanation as a page to read.
import { outcomeWords } from "../core/explanation.ts";
import { isInternal } from "../core/internalSite.ts";
import type { ExplainResult } from "../shared/gatewayProtocol.ts";

export interface Circumstances {
  /** The request is plain http, not https. */
  readonly isPlain: boolean;
  readonly isConnected: boolean;
}

type Row = readonly string[];

export function explanationText(explanation: ExplainResult, circumstances: Circumstances): string {
  const { host, path, candidates } = explanation;
  const sections = [
    `${circumstances.isPlain ? "http" : "https"}://${host}${path}`,
    conclusion(explanation, circumstances),
    ...(candidates.length === 0
      ? []
      : [section("What is there for this host, and what becomes of it", entries(explanation))]),
    ...(explanation.result === "injected" && !circumstances.isPlain
      ? [section("What the gateway does to the request", changes(explanation))]
      : []),
  ];
  return `${sections.join("\n\n")}\n`;
}

function conclusion(
  { host, result, candidates }: ExplainResult,
  { isPlain, isConnected }: Circumstances,
): string {
  const [winner] = candidates;
  if (isInternal(host.replace(/:\d+$/, ""))) {
    return "The gateway itself answers under this name. No request for it is passed on, and no secret is sent.";
  }
  if (result === "untouched") {
    const why = winner === undefined ? "No mapping and no stored secret is" : "Nothing that is enabled is";
    return isPlain
      ? `${why} for this host: the request passes without a secret.`
      : `${why} for this host: it passes untouched, encrypted from the client to the server.`;
  }
  if (isPlain) {
    return "The request is refused (insecure-request): a secret belongs to this host, and is never sent in clear. Use https://.";
  }
  if (result === "bare" || winner === undefined) {
    return "The request goes on without a secret: what there is for this host is for other paths.";
  }
  if (result === "refused") {
    return "The request is refused (bad-request): servers could read this path in more than one way, and which secret it gets depends on that.";
  }
  const isStored = winner.source === "stored";
  const what = isStored
    ? `the stored secret “${winner.label}”`
    : `the secret behind ${winner.label} in 1Password`;
  return isStored || isConnected
    ? `The request gets ${what}.`
    : `The request would get ${what}, and is refused (not-connected): 1Password is not connected.`;
}

function entries({ candidates }: ExplainResult): Row[] {
  return candidates.flatMap(({ source, id, label, outcome }) => {
    const { verdict, reason } = outcomeWords[outcome];
    const what = source === "stored" ? `stored secret “${label}”` : label;
    const row = [verdict, `${what}, for ${id}`];
    return reason === undefined ? [row] : [row, ["", `because ${reason}`]];
  });
}

function changes({ sets, variant, removes, candidates, cacheAge }: ExplainResult): Row[] {
  return [
    ["Sets", sets ?? ""],
    ...(variant === undefined
      ? []
      : [["", `or ${variant.sets}, for a value that begins with ${variant.prefix}`]]),
    ["Removes", `${removes.join(", ")}, where the client sent it`],
    ["Value", candidates[0]?.source === "stored" ? "stored here, sealed" : ageText(cacheAge)],
  ];
}

/** Of a value that comes from 1Password. */
export function ageText(age: number | undefined): string {
  return age === undefined
    ? "not in the cache: 1Password is asked at the next request"
    : `read from 1Password ${Math.round(age / 1000)} seconds ago`;
}

function section(title: string, rows: readonly Row[]): string {
  return [title, ...table(rows)].join("\n");
}

/** In columns, each as wide as its widest cell. */
function table(rows: readonly Row[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  return rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd(),
  );
}
