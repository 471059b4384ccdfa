import * as vscode from "vscode";
import { formatHostPattern, HostnameError, parseHostPattern } from "../../core/hostname.ts";
import { targetId } from "../../core/target.ts";
import { everyPath, parsePathPrefix, PathError } from "../../core/requestPath.ts";
import { knownServices } from "../../core/services.ts";
import type { Session } from "../session.ts";
import type { Target } from "./ruleInput.ts";

interface HostItem extends vscode.QuickPickItem {
  readonly target?: Target;
}

/**
 * Lets the person pick a known service that is not mapped yet, or type a host; where that is mapped, a path of it as
 * well. undefined: cancelled.
 */
export async function pickTarget(session: Session, title: string): Promise<Target | undefined> {
  const other: HostItem = { label: "$(edit) Another host…", alwaysShow: true };
  const picked = await vscode.window.showQuickPick([other, ...knownTargets(session)], {
    title,
    placeHolder: "Which host gets a secret?",
    matchOnDescription: true,
    ignoreFocusOut: true,
  });
  if (picked === undefined) {
    return undefined;
  }
  const { target } = picked;
  return target?.hostname.startsWith("*.") === false
    ? target
    : typeTarget(session, title, target?.hostname.slice(1));
}

function knownTargets(session: Session): HostItem[] {
  return knownServices.flatMap(({ name, hosts, path = everyPath }) =>
    hosts
      .map((hostname) => ({ hostname, path }))
      .filter((target) => !isMapped(session, target))
      .map((target) => ({ label: name, description: targetId(target), target })),
  );
}

/**
 * A host, and a path where the host is mapped already.
 * @param suffix of a service where each tenant has a host of its own below it.
 */
export async function typeTarget(
  session: Session,
  title: string,
  suffix?: string,
): Promise<Target | undefined> {
  const hostname = await typeHost(title, suffix ?? "", (host) =>
    isMapped(session, { hostname: host, path: everyPath })
      ? information(`${host} is mapped already; Enter asks for a path of it.`)
      : undefined,
  );
  if (hostname === undefined) {
    return undefined;
  }
  const target = { hostname, path: everyPath };
  return isMapped(session, target) ? typePath(session, title, target) : target;
}

/** Another host for a mapping, with its path. */
export async function changeHost(
  session: Session,
  title: string,
  { hostname, path }: Target,
): Promise<Target | undefined> {
  const typed = await typeHost(title, hostname, (host) => {
    const target = { hostname: host, path };
    return host !== hostname && isMapped(session, target)
      ? `${targetId(target)} is mapped already.`
      : undefined;
  });
  return typed === undefined ? undefined : { hostname: typed, path };
}

/**
 * A path of a host, for which there is no other mapping.
 * @param kept id of the mapping that is being changed; it may stay as it is.
 */
export async function typePath(
  session: Session,
  title: string,
  { hostname, path }: Target,
  kept?: string,
): Promise<Target | undefined> {
  const typed = await vscode.window.showInputBox({
    title,
    prompt: `The mapping is for this path of ${hostname} and everything below; / is every path.`,
    placeHolder: "/v1/",
    value: path,
    ignoreFocusOut: true,
    validateInput: (text) => {
      try {
        const target = { hostname, path: parsePathPrefix(text.trim()) };
        return targetId(target) !== kept && isMapped(session, target)
          ? `${targetId(target)} is mapped already.`
          : undefined;
      } catch (error) {
        return error instanceof PathError ? `This ${error.message}.` : "This is no path.";
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
    prompt: "A host, or *. and a domain for every host below it; with :port where it is not 443.",
    placeHolder: "api.example.com",
    value,
    ...(value.startsWith(".") && { valueSelection: [0, 0] as [number, number] }),
    ignoreFocusOut: true,
    validateInput: (text) => {
      if (text.trim() === "") {
        return "Type a host.";
      }
      let host: string;
      try {
        host = canonicalHost(text);
      } catch (error) {
        return error instanceof HostnameError ? `This ${error.message}.` : "This is no host.";
      }
      return check(host) ?? (host === text ? undefined : information(`Enter takes ${host}.`));
    },
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

function isMapped(session: Session, target: Target): boolean {
  const id = targetId(target);
  return session.entries.some((entry) => entry.id === id);
}

function information(message: string): vscode.InputBoxValidationMessage {
  return { message, severity: vscode.InputBoxValidationSeverity.Info };
}
