// One mapping, or a stored secret without its value, as it is being changed.
import { html, nothing, type TemplateResult } from "lit";
import type {
  Answer,
  DraftPart,
  EntryDraft,
  EntryKey,
  EntryRow,
  Failure,
  RuleDraft,
  ServiceRow,
} from "../../src/shared/webviewProtocol.ts";
import "./combo.ts";
import type { Combo, Suggestion } from "./combo.ts";
import { failureOf, type Host } from "./host.ts";
import { icon } from "./icons.ts";
import { t } from "./l10n.ts";
import { Light } from "./light.ts";
import { keyOf } from "./state.ts";

type RuleKind = "default" | RuleDraft["kind"];

/** Milliseconds of silence after which the host looks at the draft. */
const patience = 150;

export class EntryEditor extends Light {
  static override properties = {
    host: { attribute: false },
    services: { attribute: false },
    entry: { attribute: false },
    hasVaults: { attribute: false },
  };
  declare host: Host;
  declare services: readonly ServiceRow[];
  /** Absent for one that is to be added. */
  declare entry: EntryRow | undefined;
  /** They can be browsed. */
  declare hasVaults: boolean;
  declare onDone: ((saved: EntryKey | undefined) => void) | undefined;
  /** What else can be done with the entry, where there is no room for it in the row. */
  declare onTest: (() => void) | undefined;
  declare onEnable: (() => void) | undefined;
  declare onRemove: (() => void) | undefined;
  declare onReplaceValue: (() => void) | undefined;
  #draft: EntryDraft = emptyDraft;
  #check: Answer<"check"> = {};
  /** Parts that were changed: about the others nothing is said before it is to be saved. */
  readonly #touched = new Set<DraftPart>();
  #failure: Failure | undefined;
  #saving = false;
  #timer = 0;
  #asked = 0;

  protected override willUpdate(): void {
    // Once: what is written stays, wherever the row is moved to and whatever becomes of the entry meanwhile.
    if (!this.hasUpdated) {
      this.#draft = this.entry === undefined ? emptyDraft : draftOf(this.entry);
    }
  }

  protected override firstUpdated(): void {
    void this.#look();
    void this.updateComplete.then(() => this.querySelector<Combo>("onecli-combo")?.focusInput());
  }

  protected override render(): TemplateResult {
    const { hostname, path, secret, source } = this.#draft;
    const isStored = source === "stored";
    const title = this.entry === undefined ? t("Add a mapping") : t("Change {0}", this.entry.id);
    const { state } = this.entry ?? {};
    return html`<form class="editor" aria-label=${title} @submit=${this.#submit} @keydown=${this.#pressed}>
      <h3>${title}</h3>
      ${
        state?.kind === "error"
          ? html`<div class="problem">
              <p><strong>${state.failure.message}</strong></p>
              <p>${state.failure.hint} <span class="dim code">${state.failure.code}</span></p>
            </div>`
          : nothing
      }
      <div class="editor-fields">
        <div>
          <onecli-combo
            .label=${t("Host")}
            .placeholder=${"api.example.com"}
            .value=${hostname}
            .message=${this.#messageFor("hostname")}
            .suggest=${this.#suggestHosts}
            .onValue=${(value: string) => this.#edit("hostname", { hostname: value })}
          ></onecli-combo>
        </div>
        <div>
          <onecli-combo
            .label=${t("Path")}
            .placeholder=${t("/ for every path")}
            .value=${path}
            .message=${this.#messageFor("path")}
            .onValue=${(value: string) => this.#edit("path", { path: value })}
          ></onecli-combo>
        </div>
        <div class="wide">
          <onecli-combo
            .label=${isStored ? t("Name") : t("Secret reference")}
            .placeholder=${isStored ? "" : "op://vault/item/field"}
            .value=${secret}
            .message=${this.#messageFor("secret")}
            .suggest=${isStored || !this.hasVaults ? undefined : this.#suggestReferences}
            .onValue=${(value: string, chosen: ReferenceChoice | undefined) =>
              this.#edit("secret", { secret: value, names: chosen?.names })}
          ></onecli-combo>
        </div>
        ${this.#ruleFields()}
      </div>
      <p class="dim" role="status">
        ${
          this.#check.sentAs === undefined
            ? nothing
            : t("{0} gets {1}", this.#check.hostname ?? hostname, this.#check.sentAs)
        }
      </p>
      ${
        this.#failure === undefined
          ? nothing
          : html`<p class="bad" role="alert">
              ${icon("cross")} ${this.#failure.message} ${this.#failure.hint ?? ""}
            </p>`
      }
      <div class="actions">
        <vscode-button ?disabled=${this.#saving} @click=${this.#submit}>${t("Save")}</vscode-button>
        <vscode-button secondary @click=${() => this.onDone?.(undefined)}>${t("Cancel")}</vscode-button>
        ${this.entry === undefined ? nothing : html`<div class="actions">${this.#more(this.entry)}</div>`}
      </div>
    </form>`;
  }

  #more({ enabled }: EntryRow): TemplateResult {
    const button = (title: string, act: (() => void) | undefined) =>
      act === undefined ? nothing : html`<vscode-button secondary @click=${act}>${title}</vscode-button>`;
    return html`${button(t("Test"), this.onTest)}${button(t("Replace Value…"), this.onReplaceValue)}${button(
      enabled ? t("Disable") : t("Enable"),
      this.onEnable,
    )}${button(t("Remove"), this.onRemove)}`;
  }

  #ruleFields(): TemplateResult {
    const { rule } = this.#draft;
    const kind: RuleKind = rule?.kind ?? "default";
    const kinds: readonly (readonly [RuleKind, string])[] = [
      ["default", t("As the host wants it")],
      ["header", t("In a header")],
      ["basic", t("As a password, with a user name (Basic)")],
      ["query", t("In a parameter of the query")],
      ["service", t("As a known service takes it")],
    ];
    return html`<div>
        <label class="field-label" for="rule-kind">${t("Sent as")}</label>
        <select
          id="rule-kind"
          class="input"
          @change=${(event: Event) => this.#setKind((event.target as HTMLSelectElement).value as RuleKind)}
        >
          ${kinds.map(([id, text]) => html`<option value=${id} ?selected=${id === kind}>${text}</option>`)}
        </select>
      </div>
      ${rule === undefined ? nothing : this.#ruleDetail(rule)}`;
  }

  #ruleDetail(rule: RuleDraft): TemplateResult {
    const field = (
      label: string,
      value: string,
      toRule: (text: string) => RuleDraft,
      placeholder = "",
      part: DraftPart = "rule",
    ) =>
      html`<div>
        <onecli-combo
          .label=${label}
          .placeholder=${placeholder}
          .value=${value}
          .message=${this.#messageFor(part)}
          .onValue=${(text: string) => this.#edit(part, { rule: toRule(text) })}
        ></onecli-combo>
      </div>`;
    switch (rule.kind) {
      case "header":
        return html`${field(t("Header"), rule.name, (name) => ({ ...rule, name }), "X-Api-Key")}
        ${field(t("Value, with {value} for the secret"), rule.value, (value) => ({ ...rule, value }), "{value}", "ruleValue")}`;
      case "basic":
        return field(t("User name"), rule.username, (username) => ({ ...rule, username }));
      case "query":
        return field(t("Parameter"), rule.name, (name) => ({ ...rule, name }), "key");
      case "service":
        return html`<div>
          <label class="field-label" for="rule-service">${t("Service")}</label>
          <select
            id="rule-service"
            class="input"
            @change=${(event: Event) =>
              this.#edit("rule", {
                rule: { kind: "service", id: (event.target as HTMLSelectElement).value },
              })}
          >
            ${this.services
              .filter(({ needsUser }) => !needsUser)
              .map(
                ({ id, name, sentAs }) =>
                  html`<option value=${id} ?selected=${id === rule.id}>${name} · ${sentAs}</option>`,
              )}
          </select>
        </div>`;
    }
  }

  #messageFor(part: DraftPart): string | undefined {
    const { problem } = this.#check;
    return problem?.part === part && this.#touched.has(part) ? problem.message : undefined;
  }

  #setKind(kind: RuleKind): void {
    const service = this.services.find(({ needsUser }) => !needsUser)?.id ?? "";
    const rules: Readonly<Record<RuleKind, RuleDraft | undefined>> = {
      default: undefined,
      header: { kind: "header", name: "", value: "{value}" },
      basic: { kind: "basic", username: "" },
      query: { kind: "query", name: "" },
      service: { kind: "service", id: service },
    };
    this.#edit("rule", { rule: rules[kind] });
  }

  #edit(part: DraftPart, change: Partial<EntryDraft>): void {
    this.#draft = { ...this.#draft, ...change };
    this.#touched.add(part);
    this.#failure = undefined;
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.#look(), patience);
    this.requestUpdate();
  }

  async #look(): Promise<Answer<"check">> {
    window.clearTimeout(this.#timer);
    const asked = ++this.#asked;
    const check = await this.host.ask("check", this.#question);
    if (asked === this.#asked) {
      this.#check = check;
      this.requestUpdate();
    }
    return check;
  }

  get #question() {
    return { draft: this.#draft, ...(this.entry !== undefined && { replacing: keyOf(this.entry) }) };
  }

  readonly #submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (this.#saving) {
      return;
    }
    this.#saving = true;
    try {
      const { problem } = await this.#look();
      if (problem === undefined) {
        this.onDone?.(await this.host.ask("save", this.#question));
      } else {
        this.#touched.add(problem.part);
        await this.updateComplete;
        this.requestUpdate();
        await this.updateComplete;
        this.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
      }
    } catch (error) {
      this.#failure = failureOf(error);
    } finally {
      this.#saving = false;
      this.requestUpdate();
    }
  };

  readonly #pressed = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      event.stopPropagation();
      this.onDone?.(undefined);
    } else if (event.key === "Enter" && event.target instanceof HTMLInputElement) {
      void this.#submit(event);
    }
  };

  readonly #suggestHosts = (text: string): Promise<readonly Suggestion[]> => {
    const wanted = text.trim().toLowerCase();
    const found = this.services
      .flatMap(({ name, hosts }) => hosts.map((host) => ({ text: host, label: name, detail: host })))
      .filter(({ label, detail }) => `${label} ${detail}`.toLowerCase().includes(wanted));
    return Promise.resolve(found.slice(0, 100));
  };

  readonly #suggestReferences = async (text: string): Promise<readonly ReferenceChoice[]> => {
    const choices = await this.host.ask("complete", { text });
    return choices.map((choice) => ({ ...choice, isPart: choice.text.endsWith("/") }));
  };
}

interface ReferenceChoice extends Suggestion {
  readonly names?: string | undefined;
}

const emptyDraft: EntryDraft = { source: "1password", hostname: "", path: "", secret: "", enabled: true };

function draftOf({ source, hostname, path, secret, names, rule, enabled }: EntryRow): EntryDraft {
  return { source, hostname, path, secret, names, rule, enabled };
}

customElements.define("onecli-entry-editor", EntryEditor);
