// What programs ask for over the API. Whoever can map evil.example to op://… can read the vault, so nothing is changed
// before the person has said yes.
import * as vscode from "vscode";
import { OneCliError, toOneCliError } from "../core/errors.ts";
import { type MappingInput, parseMapping } from "../core/mapping.ts";
import { everyPath } from "../core/requestPath.ts";
import type { ManagementWrite } from "../shared/gatewayProtocol.ts";
import { ApiApprovals } from "./apiApprovals.ts";
import { describeRule } from "./commands/ruleInput.ts";
import { type Entry, MappingError, toInput } from "./mappingStore.ts";
import type { Session } from "./session.ts";

export interface Question {
  readonly message: string;
  readonly detail: string;
  /** Whether "always" may be said. */
  readonly canRemember: boolean;
}

export type Verdict = "once" | "always" | "no";

interface ApiWritesOptions {
  readonly session: () => Session;
  /** Of the workspace. */
  readonly state: vscode.Memento;
  /** Shows the question until the person has answered it. */
  readonly ask: (question: Question) => Promise<Verdict>;
  /** Milliseconds in which the person has to answer. */
  readonly timeLimit?: number;
  /** The person has answered after that. */
  readonly onTooLate: () => void;
}

interface Waiting {
  readonly write: ManagementWrite;
  /** Only the first outcome counts. */
  readonly settle: (outcome: () => Promise<unknown>) => void;
  isSettled: boolean;
}

const maxWaiting = 20;

/** A question that is longer is not read, and could hide what it asks. */
const maxQuestion = 2_000;

/** One question at a time; those behind it wait, within the same time limit. */
export class ApiWrites implements vscode.Disposable {
  readonly #options: ApiWritesOptions;
  readonly #approvals: ApiApprovals;
  readonly #waiting: Waiting[] = [];
  #isAsking = false;
  #subscription: vscode.Disposable | undefined;

  constructor(options: ApiWritesOptions) {
    this.#options = options;
    this.#approvals = new ApiApprovals(options.state);
  }

  /** To be called when there is a session. */
  watch(): void {
    this.#subscription = this.#options.session().onDidChange(() => {
      // While a team's gateway is used, the mappings are not those that were approved, and these are left alone.
      if (this.#options.session().team === undefined) {
        void this.#approvals.keepUnchanged((id) => {
          const entry = this.#find(id);
          return entry && toInput(entry);
        });
      }
    });
  }

  dispose(): void {
    this.#subscription?.dispose();
  }

  /** @throws OneCliError `denied`, `too-many-writes`, or why it could not be done */
  perform(write: ManagementWrite): Promise<unknown> {
    if (this.#waiting.length >= maxWaiting) {
      const message = `${maxWaiting} writes wait for the person's answer.`;
      return Promise.reject(new OneCliError("too-many-writes", message));
    }
    const { timeLimit = 60_000 } = this.#options;
    return new Promise((resolve) => {
      const settle = (outcome: () => Promise<unknown>) => {
        if (!waiting.isSettled) {
          waiting.isSettled = true;
          clearTimeout(timer);
          resolve(outcome());
        }
      };
      const waiting: Waiting = { write, settle, isSettled: false };
      const timer = setTimeout(() => {
        settle(() => denied("Nobody has allowed it in time."));
        // A question that stays open must not keep later ones out.
        const index = this.#waiting.indexOf(waiting);
        if (index !== -1) {
          this.#waiting.splice(index, 1);
        }
      }, timeLimit);
      this.#waiting.push(waiting);
      void this.#next();
    });
  }

  async #next(): Promise<void> {
    if (this.#isAsking) {
      return;
    }
    this.#isAsking = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      // The next one begins with what this one leaves.
      await this.#decide(next);
    }
    this.#isAsking = false;
  }

  async #decide(waiting: Waiting): Promise<void> {
    const { write } = waiting;
    try {
      const verdict = this.#isApproved(write) ? "once" : await this.#options.ask(this.#question(write));
      if (waiting.isSettled) {
        if (verdict !== "no") {
          this.#options.onTooLate();
        }
        return;
      }
      if (verdict === "no") {
        // Whoever says no does not want to be asked the same again at once.
        for (const { settle } of [waiting, ...this.#waiting.splice(0)]) {
          settle(() => denied("The person at the editor said no."));
        }
        return;
      }
      const done = this.#execute(write, verdict === "always");
      waiting.settle(() => done);
      await done;
    } catch (error) {
      waiting.settle(() => Promise.reject(toOneCliError(error)));
    }
  }

  async #execute(write: ManagementWrite, remember: boolean): Promise<unknown> {
    const session = this.#options.session();
    try {
      switch (write.kind) {
        case "putMapping": {
          const { id } = this.#read(write.mapping);
          const former = this.#find(id);
          await session.saveMapping(write.mapping, former?.id);
          if (remember || this.#approvals.covers(id, write.mapping)) {
            await this.#approvals.remember(id, write.mapping);
          }
          return former === undefined ? "added" : "replaced";
        }
        case "deleteMapping": {
          const { id } = this.#entry(write.id);
          // Before it is gone, or it would look as if the person had removed it.
          await this.#approvals.expectRemoval(id);
          await session.removeMapping(id);
          return undefined;
        }
        case "connect": {
          const result = await session.connect(write.token, () => false);
          return result ?? (await denied("1Password was disconnected meanwhile."));
        }
        case "disconnect":
          await session.disconnect();
          return undefined;
      }
    } catch (error) {
      throw error instanceof MappingError
        ? new OneCliError("mappings-unwritable", error.message, { cause: error })
        : error;
    }
  }

  #question(write: ManagementWrite): Question {
    const question = this.#describe(write);
    if (question.message.length + question.detail.length > maxQuestion) {
      throw new OneCliError("invalid-input", "What is asked for is too long to be shown to the person.");
    }
    return question;
  }

  #describe(write: ManagementWrite): Question {
    const warning = vscode.l10n.t(
      "The request came over the API. Allow it only if it comes from something that you have just started.",
    );
    switch (write.kind) {
      case "putMapping": {
        const mapping = this.#read(write.mapping);
        const former = this.#find(mapping.id);
        const lines = [
          vscode.l10n.t("Host: {0}", mapping.hostname),
          ...(mapping.path === everyPath ? [] : [vscode.l10n.t("Path: {0}", mapping.path)]),
          vscode.l10n.t("Secret: {0}", write.mapping.reference),
          vscode.l10n.t("Sent as: {0}", describeRule(mapping, mapping.rule)),
          ...(mapping.enabled ? [] : [vscode.l10n.t("Switched off")]),
          ...(former === undefined ? [] : [vscode.l10n.t("In the place of: {0}", former.stored.reference)]),
        ];
        return {
          message: vscode.l10n.t("May a program send a secret of your vault to {0}?", mapping.hostname),
          detail: `${lines.map(shown).join("\n")}\n\n${warning} ${vscode.l10n.t("“Always” is for exactly this mapping, in this workspace, until you change it.")}`,
          canRemember: true,
        };
      }
      case "deleteMapping": {
        const { stored } = this.#entry(write.id);
        return {
          message: vscode.l10n.t("May a program remove the mapping of {0}?", write.id),
          detail: `${shown(vscode.l10n.t("Secret: {0}", stored.reference))}\n\n${warning}`,
          canRemember: false,
        };
      }
      case "connect":
        return {
          message: vscode.l10n.t("May a program connect another 1Password Service Account?"),
          detail: `${vscode.l10n.t("Its token takes the place of the one that is stored.")} ${warning}`,
          canRemember: false,
        };
      case "disconnect":
        return {
          message: vscode.l10n.t("May a program disconnect 1Password?"),
          detail: `${vscode.l10n.t("The token and every cached value are removed.")} ${warning}`,
          canRemember: false,
        };
    }
  }

  #isApproved(write: ManagementWrite): boolean {
    return write.kind === "putMapping" && this.#approvals.covers(this.#read(write.mapping).id, write.mapping);
  }

  #find(id: string): Entry | undefined {
    return this.#options.session().entries.find((entry) => entry.id === id);
  }

  #entry(id: string): Entry {
    const entry = this.#find(id);
    if (entry === undefined) {
      throw new OneCliError("no-such-mapping", `${JSON.stringify(id)} is not mapped.`);
    }
    return entry;
  }

  #read(input: MappingInput) {
    const mapping = parseMapping(input);
    if (typeof mapping === "string") {
      throw new OneCliError("invalid-input", `${mapping}.`);
    }
    return mapping;
  }
}

function denied(message: string): Promise<never> {
  return Promise.reject(new OneCliError("denied", message));
}

/** Without characters that are not seen, or that turn the order of others round. */
function shown(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
