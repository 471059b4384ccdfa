import * as vscode from "vscode";
import { formatAuthority, HostnameError, httpsPort, parseAuthority } from "../../core/hostname.ts";
import { everyPath } from "../../core/requestPath.ts";
import type { Target } from "../../core/target.ts";
import type { ExplainedRequest, Explanations } from "../explanations.ts";
import { coreText } from "../l10n.ts";
import { splitAddress } from "./hostInput.ts";

/** Shows which secret a request would get: to the host and path of a row, or to those that are asked for. */
export async function explainHost(explanations: Explanations, row: Target | undefined): Promise<void> {
  const request =
    row?.pattern.wildcard === false
      ? { host: row.hostname, path: row.path, isPlain: false }
      : await askRequest(row === undefined ? "" : row.hostname.slice(1) + row.path);
  if (request !== undefined) {
    await explanations.show(request);
  }
}

async function askRequest(value: string): Promise<ExplainedRequest | undefined> {
  const typed = await vscode.window.showInputBox({
    title: vscode.l10n.t("Explain Host"),
    prompt: vscode.l10n.t("A host or an address: which secret would a request to it get, and why?"),
    placeHolder: "https://api.example.com/v1/",
    value,
    valueSelection: [0, value.startsWith(".") ? 0 : value.length],
    ignoreFocusOut: true,
    validateInput: (text) => {
      if (text.trim() === "") {
        return vscode.l10n.t("Type a host.");
      }
      try {
        readRequest(text);
        return undefined;
      } catch (error) {
        return error instanceof HostnameError
          ? vscode.l10n.t("This {0}.", coreText(error.message))
          : vscode.l10n.t("This is no host.");
      }
    },
  });
  return typed === undefined ? undefined : readRequest(typed);
}

const plainPort = 80;

/**
 * The request in what was typed or pasted, without user, query and fragment. Without a scheme it is https; the port of
 * plain http stands for that of https, as it does in the gateway.
 * @throws HostnameError
 */
export function readRequest(text: string): ExplainedRequest {
  const { scheme, host, path } = splitAddress(text);
  if (host.includes("*")) {
    throw new HostnameError("has a star: name one of its hosts");
  }
  const isPlain = scheme === "http" || scheme === "ws";
  const authority = parseAuthority(host, httpsPort);
  const port = isPlain && authority.port === plainPort ? httpsPort : authority.port;
  return {
    host: formatAuthority({ ...authority, port }),
    path: path === "" ? everyPath : path.toWellFormed().replace(/[^\u0021-\u007e]+/g, encodeURIComponent),
    isPlain,
  };
}
