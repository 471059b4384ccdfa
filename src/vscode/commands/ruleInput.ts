// How a secret is sent: picked, or typed.
import * as vscode from "vscode";
import { parseHostPattern } from "../../core/hostname.ts";
import type { Placement } from "../../core/injection.ts";
import { ruleSchema } from "../../core/target.ts";
import { everyPath } from "../../core/requestPath.ts";
import { coveredServices, findService, type Rule, serviceRule } from "../../core/serviceRules.ts";
import { type KnownService, knownServices } from "../../core/services.ts";
import { coreText } from "../l10n.ts";

/** What a mapping is for, in canonical form. */
export interface Target {
  readonly hostname: string;
  readonly path: string;
}

/** `rule` is absent for the default of the host. */
export type RuleAnswer = { readonly kind: "rule"; readonly rule?: Rule } | { readonly kind: "path" };

/**
 * undefined: cancelled.
 * @param offersPath `path` is an answer: the person wants to say first which path the mapping is for.
 */
export async function askRule(
  title: string,
  target: Target,
  current: Rule | undefined,
  offersPath = false,
): Promise<RuleAnswer | undefined> {
  type Choice = vscode.QuickPickItem & { readonly ask: () => Promise<RuleAnswer | undefined> };
  const rule = (label: string, description: string, value: Rule | undefined): Choice => ({
    label,
    description,
    ask: () => Promise.resolve({ kind: "rule", ...(value !== undefined && { rule: value }) }),
  });
  const own = (label: string, ask: () => Promise<Rule | undefined>): Choice => ({
    label,
    ask: async () => {
      const typed = await ask();
      return typed === undefined ? undefined : { kind: "rule", rule: typed };
    },
  });
  const named = current?.kind === "basic" ? current.username : "";
  const choices: Choice[] = [
    ...(current === undefined ? [] : [rule(describeRule(target, current), vscode.l10n.t("as now"), current)]),
    ...servicesOf(target)
      .filter(({ username }) => username !== undefined)
      .map((service) =>
        own(`$(account) ${vscode.l10n.t("{0}: user name and secret…", service.name)}`, () =>
          typeBasic(title, named, service),
        ),
      ),
    rule(describeRule(target, undefined), vscode.l10n.t("default"), undefined),
    own(`$(edit) ${vscode.l10n.t("Another header…")}`, () => typeHeader(title, current)),
    own(`$(edit) ${vscode.l10n.t("User name and password (Basic)…")}`, () => typeBasic(title, named)),
    own(`$(edit) ${vscode.l10n.t("A parameter of the query…")}`, () => typeQuery(title, current)),
    own(`$(list-unordered) ${vscode.l10n.t("As a known service takes it…")}`, () => pickService(title)),
  ];
  if (offersPath) {
    choices.push({
      label: `$(filter) ${vscode.l10n.t("Only below a path…")}`,
      description:
        target.path === everyPath
          ? vscode.l10n.t("for every path so far")
          : vscode.l10n.t("below {0} so far", target.path),
      ask: () => Promise.resolve({ kind: "path" }),
    });
  }
  const picked = await vscode.window.showQuickPick(choices, {
    title,
    placeHolder: vscode.l10n.t("How is the secret sent?"),
    ignoreFocusOut: true,
  });
  return picked?.ask();
}

/** As a person reads it: `x-api-key: {value}`. */
export function describeRule(target: Target, rule: Rule | undefined): string {
  if (rule === undefined) {
    return describeDefault(target);
  }
  if (rule.kind !== "service") {
    return describePlacement(rule);
  }
  const service = findService(rule.id);
  return `${describePlacement(serviceRule(service).placement)} (${service?.name ?? rule.id})`;
}

function describeDefault(target: Target): string {
  const { wildcard } = parseHostPattern(target.hostname);
  const coversAll = ({ hosts, path = everyPath }: KnownService) =>
    target.path.startsWith(path) && (!wildcard || hosts.includes(target.hostname));
  const services = servicesOf(target);
  const [main] = services
    .filter(coversAll)
    .sort((a, b) => (b.path ?? everyPath).length - (a.path ?? everyPath).length);
  const parts = services.filter((service) => !coversAll(service));
  const texts = new Set([main, ...parts].map((service) => describePlacement(serviceRule(service).placement)));
  const [only, ...more] = texts;
  if (only !== undefined && more.length === 0 && !(wildcard && main === undefined)) {
    return only;
  }
  return wildcard ? vscode.l10n.t("as each host wants it") : vscode.l10n.t("as each path wants it");
}

function servicesOf({ hostname, path }: Target): readonly KnownService[] {
  return coveredServices(parseHostPattern(hostname), path);
}

function describePlacement(placement: Placement): string {
  switch (placement.kind) {
    case "header":
      return `${placement.name}: ${placement.value}`;
    case "basic":
      return `Authorization: Basic ${placement.username}:{value}`;
    case "query":
      return `?${placement.name}={value}`;
  }
}

function typeHeader(title: string, current: Rule | undefined): Promise<Rule | undefined> {
  return type(title, {
    prompt: vscode.l10n.t("The header as it is sent, with {value} for the secret."),
    placeHolder: "x-api-key: {value}",
    value: current?.kind === "header" ? `${current.name}: ${current.value}` : "",
    toRule: (text) => {
      const colon = text.indexOf(":");
      const name = text.slice(0, Math.max(0, colon)).trim();
      return { kind: "header", name, value: text.slice(colon + 1).trim() };
    },
  });
}

function typeBasic(title: string, current: string, service?: KnownService): Promise<Rule | undefined> {
  return type(title, {
    prompt:
      service?.username === undefined
        ? vscode.l10n.t("The user name; the secret is the password.")
        : vscode.l10n.t("User name: {0}; the secret is the password.", coreText(service.username)),
    placeHolder: service === undefined ? "x-access-token" : "",
    value: current,
    toRule: (text) => ({ kind: "basic", username: text.trim() }),
  });
}

function typeQuery(title: string, current: Rule | undefined): Promise<Rule | undefined> {
  return type(title, {
    prompt: vscode.l10n.t("The parameter's name; its value is the secret."),
    placeHolder: "key",
    value: current?.kind === "query" ? current.name : "",
    toRule: (text) => ({ kind: "query", name: text.trim() }),
  });
}

interface RuleInput extends Required<Pick<vscode.InputBoxOptions, "prompt" | "placeHolder" | "value">> {
  readonly toRule: (text: string) => Rule;
}

/** @param part of a rule */
function nameOf(part: PropertyKey | undefined): string {
  switch (part) {
    case "name":
      return vscode.l10n.t("Name");
    case "value":
      return vscode.l10n.t("Value");
    case "username":
      return vscode.l10n.t("User name");
    default:
      return vscode.l10n.t("It");
  }
}

async function type(title: string, { toRule, ...box }: RuleInput): Promise<Rule | undefined> {
  const typed = await vscode.window.showInputBox({
    ...box,
    title,
    ignoreFocusOut: true,
    validateInput: (text) => {
      const issue = ruleSchema.safeParse(toRule(text)).error?.issues[0];
      return issue === undefined ? undefined : `${nameOf(issue.path[0])}: ${coreText(issue.message)}.`;
    },
  });
  return typed === undefined ? undefined : ruleSchema.safeParse(toRule(typed)).data;
}

async function pickService(title: string): Promise<Rule | undefined> {
  const services = knownServices
    .filter(({ username }) => username === undefined)
    .map((service) => ({
      label: service.name,
      description: describePlacement(serviceRule(service).placement),
      id: service.id,
    }));
  const picked = await vscode.window.showQuickPick(services, {
    title,
    placeHolder: vscode.l10n.t("Whose way of taking a secret?"),
    matchOnDescription: true,
    ignoreFocusOut: true,
  });
  return picked === undefined ? undefined : { kind: "service", id: picked.id };
}
