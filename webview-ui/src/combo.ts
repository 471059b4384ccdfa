// A text with suggestions (https://www.w3.org/WAI/ARIA/apg/patterns/combobox/).
import { html, nothing, type TemplateResult } from "lit";
import { Light } from "./light.ts";
import { icon } from "./icons.ts";
import { t } from "./l10n.ts";

export interface Suggestion {
  readonly text: string;
  readonly label: string;
  readonly detail?: string | undefined;
  /** Choosing it leads to the next suggestions. */
  readonly isPart?: boolean;
}

let instances = 0;

/** Milliseconds of silence after which suggestions are asked for. */
const patience = 120;

export class Combo extends Light {
  static override properties = {
    label: { attribute: false },
    value: { attribute: false },
    placeholder: { attribute: false },
    message: { attribute: false },
    suggest: { attribute: false },
    disabled: { attribute: false },
  };
  declare label: string;
  declare value: string;
  declare placeholder: string;
  /** What is wrong with the value. */
  declare message: string | undefined;
  declare disabled: boolean;
  /** @throws Refusal where there are none for a reason, which is shown. */
  declare suggest: ((text: string) => Promise<readonly Suggestion[]>) | undefined;
  declare onValue: ((value: string, chosen: Suggestion | undefined) => void) | undefined;
  readonly #id = `combo-${++instances}`;
  #suggestions: readonly Suggestion[] = [];
  #open = false;
  #at = -1;
  #note: string | undefined;
  #timer = 0;
  /** Answers that come after a later question are of no use. */
  #asked = 0;

  constructor() {
    super();
    this.label = "";
    this.value = "";
    this.placeholder = "";
    this.disabled = false;
  }

  focusInput(): void {
    this.querySelector("input")?.focus();
  }

  protected override render(): TemplateResult {
    const list = `${this.#id}-list`;
    const isOpen = this.#open && this.#suggestions.length > 0;
    const note = this.message ?? this.#note;
    return html`<label class="field-label" for=${this.#id}>${this.label}</label>
      <div class="combo" @focusout=${this.#left}>
        <input
          id=${this.#id}
          class="input"
          type="text"
          role="combobox"
          autocomplete="off"
          spellcheck="false"
          aria-autocomplete="list"
          aria-expanded=${isOpen ? "true" : "false"}
          aria-controls=${list}
          aria-activedescendant=${isOpen && this.#at >= 0 ? `${this.#id}-${this.#at}` : nothing}
          aria-invalid=${this.message === undefined ? nothing : "true"}
          aria-describedby=${note === undefined ? nothing : `${this.#id}-note`}
          placeholder=${this.placeholder}
          ?disabled=${this.disabled}
          .value=${this.value}
          @input=${(event: InputEvent) => this.#typed((event.target as HTMLInputElement).value)}
          @focus=${() => this.#ask(0)}
          @keydown=${this.#pressed}
        />
        <ul id=${list} class="suggestions" role="listbox" aria-label=${this.label} ?hidden=${!isOpen}>
          ${(isOpen ? this.#suggestions : []).map(
            (one, index) =>
              html`<li
                id=${`${this.#id}-${index}`}
                role="option"
                aria-selected=${index === this.#at ? "true" : "false"}
                @pointerdown=${(event: Event) => {
                  event.preventDefault();
                  this.#choose(one);
                }}
              >
                <span>${one.label}</span>
                ${one.detail === undefined ? nothing : html`<span class="dim">${one.detail}</span>`}
              </li>`,
          )}
        </ul>
      </div>
      ${
        note === undefined
          ? nothing
          : html`<p id=${`${this.#id}-note`} class=${this.message === undefined ? "note dim" : "note bad"}>
              ${this.message === undefined ? nothing : icon("cross")} ${note}
            </p>`
      }`;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    window.addEventListener("scroll", this.#place, { capture: true, passive: true });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener("scroll", this.#place, { capture: true });
  }

  protected override updated(): void {
    this.#place();
    this.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }

  /** Where there is room: a list inside of what scrolls would be cut off. */
  readonly #place = (): void => {
    const list = this.querySelector<HTMLElement>(".suggestions:not([hidden])");
    const input = this.querySelector("input")?.getBoundingClientRect();
    if (list === null || input === undefined) {
      return;
    }
    const below = window.innerHeight - input.bottom;
    const isBelow = below >= 160 || below >= input.top;
    list.style.setProperty("inset-inline-start", `${input.left}px`);
    list.style.setProperty("width", `${input.width}px`);
    list.style.setProperty("top", isBelow ? `${input.bottom}px` : "auto");
    list.style.setProperty("bottom", isBelow ? "auto" : `${window.innerHeight - input.top}px`);
    list.style.setProperty("max-height", `${Math.min(220, (isBelow ? below : input.top) - 8)}px`);
  };

  #typed(value: string): void {
    this.value = value;
    this.onValue?.(value, undefined);
    this.#ask(patience);
  }

  #ask(delay: number): void {
    window.clearTimeout(this.#timer);
    if (this.suggest === undefined) {
      return;
    }
    const { suggest, value } = this;
    const asked = ++this.#asked;
    this.#timer = window.setTimeout(() => {
      this.#note = undefined;
      suggest(value).then(
        (suggestions) => {
          if (asked === this.#asked && this.contains(document.activeElement)) {
            // What is there already need not be suggested.
            this.#suggestions = suggestions.filter(({ text }) => text !== this.value);
            this.#open = true;
            this.#at = -1;
            this.requestUpdate();
          }
        },
        (error: unknown) => {
          if (asked === this.#asked) {
            this.#suggestions = [];
            this.#note = t("No suggestions: {0}", error instanceof Error ? error.message : "");
            this.requestUpdate();
          }
        },
      );
    }, delay);
  }

  #choose(one: Suggestion): void {
    this.value = one.text;
    this.onValue?.(one.text, one);
    this.#close();
    this.focusInput();
    if (one.isPart === true) {
      this.#ask(0);
    }
  }

  #close(): void {
    this.#asked++;
    this.#open = false;
    this.#at = -1;
    this.requestUpdate();
  }

  readonly #left = (event: FocusEvent): void => {
    if (!this.contains(event.relatedTarget as Node | null)) {
      this.#close();
    }
  };

  readonly #pressed = (event: KeyboardEvent): void => {
    const { length } = this.#suggestions;
    const isOpen = this.#open && length > 0;
    const chosen = this.#suggestions[this.#at];
    switch (event.key) {
      case "ArrowDown":
      case "ArrowUp":
        if (isOpen) {
          const next = this.#at + (event.key === "ArrowDown" ? 1 : -1);
          this.#at = next < 0 ? length - 1 : next % length;
          this.requestUpdate();
        } else {
          this.#ask(0);
        }
        break;
      case "Enter":
        if (!isOpen || chosen === undefined) {
          return;
        }
        this.#choose(chosen);
        break;
      case "Escape":
        if (!isOpen) {
          return;
        }
        this.#close();
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
}

customElements.define("onecli-combo", Combo);
