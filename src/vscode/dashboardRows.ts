// What the dashboard shows of the window's things: their names, never a value.
import * as vscode from "vscode";
import { describeError, type ErrorCode, isOneCliError } from "../core/errors.ts";
import { findOverride } from "../core/override.ts";
import { formatSecretReference } from "../core/secretReference.ts";
import { findService } from "../core/serviceRules.ts";
import { knownServices } from "../core/services.ts";
import type { Traffic } from "../shared/traffic.ts";
import type {
  ActivityRow,
  Connection,
  EntryKey,
  EntryRow,
  EntryState,
  Failure,
  PageCommand,
  ServiceRow,
} from "../shared/webviewProtocol.ts";
import type { KeptRecord } from "./activityLog.ts";
import { describeRule } from "./commands/ruleInput.ts";
import type { Entry } from "./mappingStore.ts";
import { coreText } from "./l10n.ts";
import { explain } from "./errorText.ts";
import type { Session } from "./session.ts";
import type { EntryState as SessionEntryState } from "./states.ts";
import { isStoredEntry, type StoredEntry } from "./storedSecretStore.ts";

export type AnyEntry = Entry | StoredEntry;

/** What the dashboard lists, in this order. */
export function entriesOf({ storedSecrets, entries }: Session): AnyEntry[] {
  return [...storedSecrets, ...entries];
}

export function keyOf(entry: AnyEntry): EntryKey {
  return { source: isStoredEntry(entry) ? "stored" : "1password", id: entry.id };
}

/** What stands for the value. */
export function secretOf(entry: AnyEntry): string {
  return isStoredEntry(entry) ? entry.name : formatSecretReference(entry.reference);
}

/** What does not change while an entry is the one that it is: rules are looked up among all services. */
type FixedPart = Omit<EntryRow, "state" | "override">;
const fixedParts = new WeakMap<AnyEntry, FixedPart>();

export function entryRow(
  entry: AnyEntry,
  state: SessionEntryState,
  storedSecrets: readonly StoredEntry[],
): EntryRow {
  let fixed = fixedParts.get(entry);
  if (fixed === undefined) {
    const { hostname, path, rule, enabled } = entry;
    const names = isStoredEntry(entry) ? undefined : entry.stored.names;
    fixed = {
      ...keyOf(entry),
      hostname,
      path,
      secret: secretOf(entry),
      ...(names !== undefined && { names }),
      ...(rule !== undefined && { rule }),
      sentAs: describeRule(entry, rule),
      enabled,
    };
    fixedParts.set(entry, fixed);
  }
  const override = isStoredEntry(entry) || !entry.enabled ? undefined : findOverride(entry, storedSecrets);
  return {
    ...fixed,
    state: entryState(state),
    ...(override !== undefined && { override: { by: override.by.name, all: override.all } }),
  };
}

export function entryState(state: SessionEntryState): EntryState {
  switch (state.kind) {
    case "disabled":
    case "unused":
      return { kind: state.kind };
    case "ready":
      return { kind: "ready", ...(state.lastUse !== undefined && { lastUse: state.lastUse }) };
    case "error": {
      const { code, reason, lastUse } = state;
      return {
        kind: "error",
        failure: failureOfCode(code, reason),
        ...(lastUse !== undefined && { lastUse }),
      };
    }
  }
}

export function activityRow({ seq, record, entry }: KeptRecord<AnyEntry>): ActivityRow {
  const { id, mapping, source, error, warning, service, cacheHit, ...rest } = record;
  return {
    ...rest,
    seq,
    ...(error !== undefined && { failure: failureOfCode(error) }),
    ...(source !== undefined && { source }),
    ...(mapping !== undefined && { entry: mapping }),
    ...(entry !== undefined && { secret: secretOf(entry) }),
    ...(cacheHit !== undefined && { cacheHit }),
    ...(warning !== undefined && { warning: describeWarning(service) }),
  };
}

function describeWarning(service = ""): string {
  return vscode.l10n.t(
    "The placeholder of {0} was sent to a host that is not its own.",
    findService(service)?.name ?? service,
  );
}

export function connectionOf({ account, gateway, problem, team }: Session, traffic: Traffic): Connection {
  const now = Date.now();
  const fix = problem === undefined ? undefined : fixOf(problem.code);
  return {
    account,
    gateway: gateway.kind,
    ...(team === undefined
      ? { usage: { hour: traffic.total(now, "reads", 60), day: traffic.total(now, "reads") } }
      : { team: { host: team.host, ...(team.problem !== undefined && { problem: team.problem }) } }),
    ...(problem !== undefined && {
      problem: {
        failure: failureOfCode(problem.code, problem.message),
        at: problem.at,
        ...(fix !== undefined && { fix }),
      },
    }),
  };
}

function fixOf(code: ErrorCode): { title: string; command: PageCommand } | undefined {
  switch (code) {
    case "not-connected":
    case "token-invalid":
      return { title: vscode.l10n.t("Connect 1Password"), command: "onecli.account.connect" };
    case "onepassword-rate-limited":
    case "onepassword-unreachable":
      return { title: vscode.l10n.t("Try Again"), command: "onecli.account.reconnect" };
    default:
      // What is wrong with a mapping is mended in its row.
      return undefined;
  }
}

function failureOfCode(code: ErrorCode, message?: string): Failure {
  const hint = coreText(describeError(code).hint);
  return message === undefined || message === describeError(code).hint
    ? { code, message: hint }
    : { code, message: coreText(message), hint };
}

/** Anything thrown, for the page. */
export function failureOf(error: unknown): Failure {
  return isOneCliError(error) && error.code !== "internal"
    ? failureOfCode(error.code, error.message)
    : { message: explain(error) };
}

export function serviceRows(): ServiceRow[] {
  return knownServices.map(({ id, name, hosts, username }) => {
    const rule = { kind: "service", id } as const;
    const target = { hostname: "example.com", path: "/" };
    return {
      id,
      name,
      hosts: [...hosts],
      // The name of the service in brackets is said beside it.
      sentAs: describeRule(target, rule).replace(/ \([^)]*\)$/, ""),
      needsUser: username !== undefined,
    };
  });
}
