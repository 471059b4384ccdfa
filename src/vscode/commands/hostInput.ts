import * as vscode from "vscode";
import { formatHostPattern, HostnameError, parseHostPattern } from "../../core/hostname.ts";
import { knownServices } from "../../core/services.ts";
import type { Session } from "../session.ts";

interface HostItem extends vscode.QuickPickItem {
  readonly host?: string;
}

/** Lets the person pick a known service that is not mapped yet, or type a host. */
export async function pickHost(session: Session, title: string): Promise<string | undefined> {
  const known = knownServices.flatMap(({ name, hosts }) =>
    hosts
      .filter((host) => !session.entries.some((entry) => entry.hostname === host))
      .map((host): HostItem => ({ label: name, description: host, host })),
  );
  const other: HostItem = { label: "$(edit) Another host…", alwaysShow: true };
  const picked = await vscode.window.showQuickPick([...known, other], {
    title,
    placeHolder: "Which host gets a secret?",
    matchOnDescription: true,
    ignoreFocusOut: true,
  });
  return picked === undefined ? undefined : (picked.host ?? typeHost(session, title));
}

/** @param current the host that is being changed; it may stay as it is. */
export async function typeHost(
  session: Session,
  title: string,
  current?: string,
): Promise<string | undefined> {
  const typed = await vscode.window.showInputBox({
    title,
    prompt: "A host, or *. and a domain for every host below it; with :port where it is not 443.",
    placeHolder: "api.example.com",
    value: current ?? "",
    ignoreFocusOut: true,
    validateInput: (text) => checkHost(session, text, current),
  });
  return typed === undefined ? undefined : canonicalHost(typed);
}

/** The canonical host in what was typed or pasted: of a URL, its host. @throws HostnameError */
export function canonicalHost(text: string): string {
  const trimmed = text.trim();
  const inUrl = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#]+)/i.exec(trimmed)?.[1];
  const withoutPath = inUrl ?? trimmed.replace(/[/?#].*$/s, "");
  return formatHostPattern(parseHostPattern(withoutPath));
}

function checkHost(
  session: Session,
  text: string,
  current: string | undefined,
): string | vscode.InputBoxValidationMessage | undefined {
  if (text.trim() === "") {
    return "Type a host.";
  }
  let host: string;
  try {
    host = canonicalHost(text);
  } catch (error) {
    return error instanceof HostnameError ? `This ${error.message}.` : "This is no host.";
  }
  if (host !== current && session.entries.some((entry) => entry.hostname === host)) {
    return `${host} is mapped already.`;
  }
  return host === text
    ? undefined
    : { message: `Enter takes ${host}.`, severity: vscode.InputBoxValidationSeverity.Info };
}
