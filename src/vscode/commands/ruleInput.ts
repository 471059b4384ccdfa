// How a secret is sent: picked, or typed.
import * as vscode from "vscode";
import { parseHostPattern } from "../../core/hostname.ts";
import type { Placement } from "../../core/injection.ts";
import { ruleSchema } from "../../core/target.ts";
import { everyPath } from "../../core/requestPath.ts";
import { coveredServices, findService, type Rule, serviceRule } from "../../core/serviceRules.ts";
import { type KnownService, knownServices } from "../../core/services.ts";

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
    ...(current === undefined ? [] : [rule(describeRule(target, current), "as now", current)]),
    ...servicesOf(target)
      .filter(({ username }) => username !== undefined)
      .map((service) =>
        own(`$(account) ${service.name}: user name and secret…`, () => typeBasic(title, named, service)),
      ),
    rule(describeRule(target, undefined), "default", undefined),
    own("$(edit) Another header…", () => typeHeader(title, current)),
    own("$(edit) User name and password (Basic)…", () => typeBasic(title, named)),
    own("$(edit) A parameter of the query…", () => typeQuery(title, current)),
    own("$(list-unordered) As a known service takes it…", () => pickService(title)),
  ];
  if (offersPath) {
    choices.push({
      label: "$(filter) Only below a path…",
      description: target.path === everyPath ? "for every path so far" : `below ${target.path} so far`,
      ask: () => Promise.resolve({ kind: "path" }),
    });
  }
  const picked = await vscode.window.showQuickPick(choices, {
    title,
    placeHolder: "How is the secret sent?",
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
  return only === undefined || more.length > 0 || (wildcard && main === undefined)
    ? `as each ${wildcard ? "host" : "path"} wants it`
    : only;
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
    prompt: "The header as it is sent, with {value} for the secret.",
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
    prompt: `${service?.username ?? "The user name"}; the secret is the password.`.replace(/^t/, "T"),
    placeHolder: service === undefined ? "x-access-token" : "",
    value: current,
    toRule: (text) => ({ kind: "basic", username: text.trim() }),
  });
}

function typeQuery(title: string, current: Rule | undefined): Promise<Rule | undefined> {
  return type(title, {
    prompt: "The parameter's name; its value is the secret.",
    placeHolder: "key",
    value: current?.kind === "query" ? current.name : "",
    toRule: (text) => ({ kind: "query", name: text.trim() }),
  });
}

interface RuleInput extends Required<Pick<vscode.InputBoxOptions, "prompt" | "placeHolder" | "value">> {
  readonly toRule: (text: string) => Rule;
}

const parts: Readonly<Record<string, string>> = { name: "Name", value: "Value", username: "User name" };

async function type(title: string, { toRule, ...box }: RuleInput): Promise<Rule | undefined> {
  const typed = await vscode.window.showInputBox({
    ...box,
    title,
    ignoreFocusOut: true,
    validateInput: (text) => {
      const issue = ruleSchema.safeParse(toRule(text)).error?.issues[0];
      const part = parts[String(issue?.path[0])] ?? "It";
      return issue === undefined ? undefined : `${part}: ${issue.message}.`;
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
    placeHolder: "Whose way of taking a secret?",
    matchOnDescription: true,
    ignoreFocusOut: true,
  });
  return picked === undefined ? undefined : { kind: "service", id: picked.id };
}
