import * as vscode from "vscode";
import { formatHostPattern, HostnameError, parseHostPattern } from "../../core/hostname.ts";
import { targetId } from "../../core/target.ts";
import { everyPath, parsePathPrefix, PathError } from "../../core/requestPath.ts";
import { knownServices } from "../../core/services.ts";
import { coreText } from "../l10n.ts";
import type { Target } from "./ruleInput.ts";

/** The list that a host is picked for. */
export interface HostList {
  /** What is in it. */
  readonly entries: readonly { readonly id: string }[];
  /** What is said of a host or path that is in it. */
  readonly taken: (id: string) => string;
  /** The same, where a path of the host is asked for next. */
  readonly takenButFor: (host: string) => string;
  /** Asks for a path of a host. */
  readonly askPath: (host: string) => string;
}

interface HostItem extends vscode.QuickPickItem {
  readonly target?: Target;
}

/**
 * Lets the person pick a known service that is not in the list yet, or type a host; where that is in it, a path of
 * it as well. undefined: cancelled.
 */
export async function pickTarget(list: HostList, title: string): Promise<Target | undefined> {
  const other: HostItem = { label: `$(edit) ${vscode.l10n.t("Another host…")}`, alwaysShow: true };
  const picked = await vscode.window.showQuickPick([other, ...knownTargets(list)], {
    title,
    placeHolder: vscode.l10n.t("Which host gets a secret?"),
    matchOnDescription: true,
    ignoreFocusOut: true,
  });
  if (picked === undefined) {
    return undefined;
  }
  const { target } = picked;
  return target?.hostname.startsWith("*.") === false
    ? target
    : typeTarget(list, title, target?.hostname.slice(1));
}

function knownTargets(list: HostList): HostItem[] {
  return knownServices.flatMap(({ name, hosts, path = everyPath }) =>
    hosts
      .map((hostname) => ({ hostname, path }))
      .filter((target) => !isTaken(list, target))
      .map((target) => ({ label: name, description: targetId(target), target })),
  );
}

/**
 * A host, and a path where the host is in the list already.
 * @param suffix of a service where each tenant has a host of its own below it.
 */
export async function typeTarget(
  list: HostList,
  title: string,
  suffix?: string,
): Promise<Target | undefined> {
  const hostname = await typeHost(title, suffix ?? "", (host) =>
    isTaken(list, { hostname: host, path: everyPath }) ? information(list.takenButFor(host)) : undefined,
  );
  if (hostname === undefined) {
    return undefined;
  }
  const target = { hostname, path: everyPath };
  return isTaken(list, target) ? typePath(list, title, target) : target;
}

/** Another host for an entry, with its path. */
export async function changeHost(
  list: HostList,
  title: string,
  { hostname, path }: Target,
): Promise<Target | undefined> {
  const typed = await typeHost(title, hostname, (host) => {
    const target = { hostname: host, path };
    return host !== hostname && isTaken(list, target) ? list.taken(targetId(target)) : undefined;
  });
  return typed === undefined ? undefined : { hostname: typed, path };
}

/**
 * A path of a host, for which there is no other entry.
 * @param kept id of the entry that is being changed; it may stay as it is.
 */
export async function typePath(
  list: HostList,
  title: string,
  { hostname, path }: Target,
  kept?: string,
): Promise<Target | undefined> {
  const typed = await vscode.window.showInputBox({
    title,
    prompt: list.askPath(hostname),
    placeHolder: "/v1/",
    value: path,
    ignoreFocusOut: true,
    validateInput: (text) => {
      try {
        const target = { hostname, path: parsePathPrefix(text.trim()) };
        return targetId(target) !== kept && isTaken(list, target) ? list.taken(targetId(target)) : undefined;
      } catch (error) {
        return error instanceof PathError
          ? vscode.l10n.t("This {0}.", coreText(error.message))
          : vscode.l10n.t("This is no path.");
      }
    },
  });
  return typed === undefined ? undefined : { hostname, path: parsePathPrefix(typed.trim()) };
}

async function typeHost(
  title: string,
  value: string,
  check: (host: string) => string | vscode.InputBoxValidationMessage | undefined,
): Promise<string | undefined> {
  const typed = await vscode.window.showInputBox({
    title,
    prompt: vscode.l10n.t(
      "A host, or *. and a domain for every host below it; with :port where it is not 443.",
    ),
    placeHolder: "api.example.com",
    value,
    ...(value.startsWith(".") && { valueSelection: [0, 0] as [number, number] }),
    ignoreFocusOut: true,
    validateInput: (text) => {
      if (text.trim() === "") {
        return vscode.l10n.t("Type a host.");
      }
      let host: string;
      try {
        host = canonicalHost(text);
      } catch (error) {
        return error instanceof HostnameError
          ? vscode.l10n.t("This {0}.", coreText(error.message))
          : vscode.l10n.t("This is no host.");
      }
      return (
        check(host) ?? (host === text ? undefined : information(vscode.l10n.t("Enter takes {0}.", host)))
      );
    },
  });
  return typed === undefined ? undefined : canonicalHost(typed);
}

/** The canonical host in what was typed or pasted: of a URL, its host. @throws HostnameError */
export function canonicalHost(text: string): string {
  return formatHostPattern(parseHostPattern(splitAddress(text).host));
}

/** A pasted address in parts, as they were written: `https://user@host:8443/path?query#fragment`, or less than that. */
export function splitAddress(text: string): { scheme?: string; host: string; path: string } {
  const [, scheme, host = "", path = ""] =
    /^(?:([a-z][a-z0-9+.-]*):\/\/(?:[^/?#@]*@)?)?([^/?#]*)([^?#]*)/i.exec(text.trim()) ?? [];
  return { ...(scheme !== undefined && { scheme: scheme.toLowerCase() }), host, path };
}

function isTaken({ entries }: HostList, target: Target): boolean {
  const id = targetId(target);
  return entries.some((entry) => entry.id === id);
}

function information(message: string): vscode.InputBoxValidationMessage {
  return { message, severity: vscode.InputBoxValidationSeverity.Info };
}
