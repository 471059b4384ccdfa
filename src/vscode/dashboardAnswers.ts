// What the dashboard's page asks for, done.
import * as vscode from "vscode";
import { isOneCliError } from "../core/errors.ts";
import { HostnameError } from "../core/hostname.ts";
import { everyPath, parsePathPrefix, PathError } from "../core/requestPath.ts";
import { parseSecretReference } from "../core/secretReference.ts";
import type { Rule } from "../core/serviceRules.ts";
import { storedSecretSchema } from "../core/storedSecret.ts";
import { ruleSchema, targetId } from "../core/target.ts";
import { version } from "../shared/version.ts";
import type {
  Answer,
  Body,
  DraftPart,
  EntryDraft,
  EntryKey,
  QuestionName,
} from "../shared/webviewProtocol.ts";
import { toHar, toJson } from "./activityExport.ts";
import type { ActivityLog } from "./activityLog.ts";
import { canonicalHost } from "./commands/hostInput.ts";
import { setEnabled } from "./commands/mappings.ts";
import { describeRule } from "./commands/ruleInput.ts";
import { removeStoredSecret, replaceValue } from "./commands/storedSecrets.ts";
import { type AnyEntry, entriesOf, keyOf, secretOf } from "./dashboardRows.ts";
import type { DashboardFeed } from "./dashboardFeed.ts";
import { coreText } from "./l10n.ts";
import { ReferenceCompletion } from "./referenceCompletion.ts";
import type { Session } from "./session.ts";
import { isStoredEntry } from "./storedSecretStore.ts";

/** One for each question of the contract. */
export type Answers = {
  readonly [N in QuestionName]: (body: Body<N>) => Promise<Answer<N>>;
};

const nameSchema = storedSecretSchema.shape.name;

function keyText({ source, id }: EntryKey): string {
  return `${source} ${id}`;
}

interface Checked {
  readonly hostname?: string;
  readonly path?: string;
  readonly rule?: Rule;
  readonly problem?: { readonly part: DraftPart; readonly message: string };
}

export class DashboardAnswers {
  readonly all: Answers;
  readonly #session: Session;
  readonly #completion: ReferenceCompletion;
  /** What puts back the mappings that were removed last, in their order, and the token for it. */
  #removed: { readonly token: number; readonly restore: readonly (() => Promise<void>)[] } = {
    token: 0,
    restore: [],
  };

  constructor(session: Session, feed: DashboardFeed) {
    this.#session = session;
    this.#completion = new ReferenceCompletion(session);
    this.all = {
      check: (body) => Promise.resolve(this.#describe(body)),
      save: (body) => this.#save(body),
      enable: async ({ keys, enabled }) => {
        for (const entry of this.#find(keys)) {
          if (entry.enabled !== enabled) {
            await (isStoredEntry(entry)
              ? session.changeStoredSecret(entry, { ...entry.stored, enabled })
              : setEnabled(session, entry, enabled));
          }
        }
        return null;
      },
      replaceValue: async ({ key }) => {
        const entry = this.#get(key);
        if (isStoredEntry(entry)) {
          await replaceValue(session, entry);
        }
        return null;
      },
      remove: ({ keys }) => this.#remove(keys),
      undo: ({ token }) => this.#undo(token),
      test: async ({ key }) => {
        const entry = this.#get(key);
        if (isStoredEntry(entry)) {
          return { ms: 0 };
        }
        const startedAt = performance.now();
        await session.testEntry(entry);
        return { ms: performance.now() - startedAt };
      },
      complete: ({ text }) => this.#completion.complete(text),
      vaults: async () => (await this.#completion.vaults()).map(({ title }) => title),
      explain: async ({ host, path }) => {
        const { result, candidates, sets, removes, cacheAge } = await session.explainRequest(host, path);
        return {
          result,
          candidates,
          sets: sets && coreText(sets),
          removes: removes.map(coreText),
          cacheAge,
        };
      },
      clear: () => {
        feed.clear();
        return Promise.resolve(null);
      },
      export: (body) => exportActivity(feed.log, body),
    };
  }

  /** Names of the account that was connected before are of no use. */
  accountChanged(): void {
    this.#completion.forget();
  }

  #find(keys: readonly EntryKey[]): AnyEntry[] {
    const wanted = new Set(keys.map(keyText));
    return entriesOf(this.#session).filter((entry) => wanted.has(keyText(keyOf(entry))));
  }

  #get(key: EntryKey): AnyEntry {
    const [entry] = this.#find([key]);
    if (entry === undefined) {
      throw new Error(vscode.l10n.t("It is not there any more."));
    }
    return entry;
  }

  #describe({ draft, replacing }: Body<"check">): Answer<"check"> {
    const { hostname, path, rule, problem } = this.#check(draft, replacing);
    return {
      hostname,
      problem,
      ...(hostname !== undefined &&
        path !== undefined &&
        problem?.part.startsWith("rule") !== true && { sentAs: describeRule({ hostname, path }, rule) }),
    };
  }

  #check(draft: EntryDraft, replacing: EntryKey | undefined): Checked {
    let hostname: string;
    try {
      hostname = canonicalHost(draft.hostname);
    } catch (error) {
      return problem("hostname", error instanceof HostnameError ? coreProblem(error.message) : "");
    }
    let path: string;
    try {
      path = parsePathPrefix(draft.path.trim() === "" ? everyPath : draft.path.trim());
    } catch (error) {
      return { hostname, ...problem("path", error instanceof PathError ? coreProblem(error.message) : "") };
    }
    const target = { hostname, path };
    const id = targetId(target);
    const { source } = draft;
    if (id !== replacing?.id && this.#find([{ source, id }]).length > 0) {
      const taken =
        source === "stored"
          ? vscode.l10n.t("{0} has a stored secret already.", id)
          : vscode.l10n.t("{0} is mapped already.", id);
      return { ...target, ...problem(path === everyPath ? "hostname" : "path", taken) };
    }
    const rule = draft.rule === undefined ? undefined : ruleSchema.safeParse(draft.rule);
    if (rule?.success === false) {
      const [issue] = rule.error.issues;
      const part = issue?.path[0] === "value" ? "ruleValue" : "rule";
      return { ...target, ...problem(part, coreProblem(issue?.message ?? "is not valid")) };
    }
    const checked = { ...target, ...(rule !== undefined && { rule: rule.data }) };
    if (source === "stored") {
      const [issue] = nameSchema.safeParse(draft.secret).error?.issues ?? [];
      return issue === undefined ? checked : { ...checked, ...problem("secret", coreProblem(issue.message)) };
    }
    try {
      parseSecretReference(draft.secret.trim());
      return checked;
    } catch (error) {
      return { ...checked, ...problem("secret", isOneCliError(error) ? coreText(error.message) : "") };
    }
  }

  async #save({ draft, replacing }: Body<"save">): Promise<Answer<"save">> {
    const { hostname = "", path = everyPath, rule, problem } = this.#check(draft, replacing);
    if (problem !== undefined) {
      throw new Error(problem.message);
    }
    const target = {
      hostname,
      ...(path !== everyPath && { path }),
      ...(rule !== undefined && { rule }),
      ...(!draft.enabled && { enabled: false }),
    };
    if (draft.source === "stored") {
      // Its value is asked for by the editor: a page can change one, not add one.
      const entry = replacing === undefined ? undefined : this.#get(replacing);
      if (entry === undefined || !isStoredEntry(entry)) {
        throw new Error(vscode.l10n.t("It is not there any more."));
      }
      await this.#session.changeStoredSecret(entry, { ...target, name: draft.secret.trim() });
      return { source: "stored", id: targetId({ hostname, path }) };
    }
    const reference = draft.secret.trim();
    const mapping = { ...target, reference, ...(draft.names !== undefined && { names: draft.names }) };
    return keyOf(await this.#session.saveMapping(mapping, replacing?.id));
  }

  async #remove(keys: readonly EntryKey[]): Promise<Answer<"remove">> {
    const entries = this.#find(keys);
    const restore: (() => Promise<void>)[] = [];
    this.#removed = { token: this.#removed.token + 1, restore };
    for (const entry of entries) {
      if (isStoredEntry(entry)) {
        await removeStoredSecret(this.#session, entry);
      } else {
        restore.push(await this.#session.removeMapping(entry.id));
      }
    }
    return { token: this.#removed.token, removed: restore.length };
  }

  async #undo(token: number): Promise<null> {
    const { token: last, restore } = this.#removed;
    if (token !== last) {
      throw new Error(vscode.l10n.t("That cannot be undone any more."));
    }
    this.#removed = { token: last, restore: [] };
    const failures: unknown[] = [];
    // The place of each is the one that it had when those before it were gone.
    for (const putBack of restore.toReversed()) {
      await putBack().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) {
      throw failures[0];
    }
    return null;
  }
}

function problem(part: DraftPart, message: string): Pick<Checked, "problem"> {
  return { problem: { part, message: message === "" ? vscode.l10n.t("This is not valid.") : message } };
}

/** @param reason "has a path" */
function coreProblem(reason: string): string {
  return vscode.l10n.t("This {0}.", coreText(reason));
}

async function exportActivity(
  log: ActivityLog<AnyEntry>,
  { format, seqs }: Body<"export">,
): Promise<Answer<"export">> {
  const wanted = seqs === undefined ? undefined : new Set(seqs);
  // What is exported is what was there when it was asked for.
  const records = log
    .since(0)
    .filter(({ seq }) => wanted?.has(seq) !== false)
    .map(({ entry, ...kept }) => ({
      ...kept,
      entry: entry && { rule: entry.rule, secret: secretOf(entry) },
    }));
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const file = await vscode.window.showSaveDialog({
    title: vscode.l10n.t("Export Activity"),
    ...(folder !== undefined && {
      defaultUri: vscode.Uri.joinPath(folder, `onecli-activity.${format}`),
    }),
    filters: format === "har" ? { HAR: ["har"] } : { JSON: ["json"] },
  });
  if (file === undefined) {
    return { saved: false };
  }
  const content = format === "har" ? toHar(records, version) : toJson(records);
  try {
    await vscode.workspace.fs.writeFile(file, Buffer.from(content));
  } catch {
    throw new Error(vscode.l10n.t("The file could not be written."));
  }
  return { saved: true };
}
