// An explanation as a page to read.
import { outcomeWords } from "../core/explanation.ts";
import { isInternal } from "../core/internalSite.ts";
import type { ExplainResult } from "../shared/gatewayProtocol.ts";
import { ofCore, type Phrase, t } from "./phrase.ts";

export interface Circumstances {
  /** The request is plain http, not https. */
  readonly isPlain: boolean;
  readonly isConnected: boolean;
}

type Row = readonly string[];
type Say = (phrase: Phrase) => string;

/** @param say puts a phrase in the language of the reader. */
export function explanationText(explanation: ExplainResult, circumstances: Circumstances, say: Say): string {
  const { host, path, candidates } = explanation;
  const sections = [
    `${circumstances.isPlain ? "http" : "https"}://${host}${path}`,
    say(conclusion(explanation, circumstances)),
    ...(candidates.length === 0
      ? []
      : [section(say(t("What is there for this host, and what becomes of it")), entries(explanation, say))]),
    ...(explanation.result === "injected" && !circumstances.isPlain
      ? [section(say(t("What the gateway does to the request")), changes(explanation, say))]
      : []),
  ];
  return `${sections.join("\n\n")}\n`;
}

function conclusion(
  { host, result, candidates }: ExplainResult,
  { isPlain, isConnected }: Circumstances,
): Phrase {
  const [winner] = candidates;
  if (isInternal(host.replace(/:\d+$/, ""))) {
    return t(
      "The gateway itself answers under this name. No request for it is passed on, and no secret is sent.",
    );
  }
  if (result === "untouched") {
    if (winner === undefined) {
      return isPlain
        ? t("No mapping and no stored secret is for this host: the request passes without a secret.")
        : t(
            "No mapping and no stored secret is for this host: it passes untouched, encrypted from the client to the server.",
          );
    }
    return isPlain
      ? t("Nothing that is enabled is for this host: the request passes without a secret.")
      : t(
          "Nothing that is enabled is for this host: it passes untouched, encrypted from the client to the server.",
        );
  }
  if (isPlain) {
    return t(
      "The request is refused (insecure-request): a secret belongs to this host, and is never sent in clear. Use https://.",
    );
  }
  if (result === "bare" || winner === undefined) {
    return t("The request goes on without a secret: what there is for this host is for other paths.");
  }
  if (result === "refused") {
    return t(
      "The request is refused (bad-request): servers could read this path in more than one way, and which secret it gets depends on that.",
    );
  }
  if (winner.source === "stored") {
    return t("The request gets the stored secret “{0}”.", winner.label);
  }
  return isConnected
    ? t("The request gets the secret behind {0} in 1Password.", winner.label)
    : t(
        "The request would get the secret behind {0} in 1Password, and is refused (not-connected): 1Password is not connected.",
        winner.label,
      );
}

function entries({ candidates }: ExplainResult, say: Say): Row[] {
  return candidates.flatMap(({ source, id, label, outcome }) => {
    const { verdict, reason } = outcomeWords[outcome];
    const what =
      source === "stored" ? t("stored secret “{0}”, for {1}", label, id) : t("{0}, for {1}", label, id);
    const row = [say(ofCore(verdict)), say(what)];
    return reason === undefined ? [row] : [row, ["", say(t("because {0}", ofCore(reason)))]];
  });
}

function changes({ sets, variant, removes, candidates, cacheAge }: ExplainResult, say: Say): Row[] {
  return [
    [say(t("Sets")), sets === undefined ? "" : say(ofCore(sets))],
    ...(variant === undefined
      ? []
      : [["", say(t("or {0}, for a value that begins with {1}", ofCore(variant.sets), variant.prefix))]]),
    [
      say(t("Removes")),
      say(t("{0}, where the client sent it", removes.map((one) => say(ofCore(one))).join(", "))),
    ],
    [say(t("Value")), say(candidates[0]?.source === "stored" ? t("stored here, sealed") : ageText(cacheAge))],
  ];
}

/** Of a value that comes from 1Password. */
export function ageText(age: number | undefined): Phrase {
  return age === undefined
    ? t("not in the cache: 1Password is asked at the next request")
    : t("read from 1Password {0} seconds ago", Math.round(age / 1000));
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
