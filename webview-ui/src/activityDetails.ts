// One request, with all that is known of it.
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { ActivityRow, Answer, Failure } from "../../src/shared/webviewProtocol.ts";
import { failureOf, type Host } from "./host.ts";
import { icon } from "./icons.ts";
import { formatBytes, formatDuration, formatTime, t } from "./l10n.ts";
import { Light } from "./light.ts";

class ActivityDetails extends Light {
  static override properties = { host: { attribute: false }, row: { attribute: false } };
  declare host: Host;
  declare row: ActivityRow;
  declare onClose: (() => void) | undefined;
  #explanation: Answer<"explain"> | Failure | undefined;

  protected override willUpdate(changed: PropertyValues): void {
    if (changed.has("row")) {
      this.#explanation = undefined;
    }
  }

  protected override render(): TemplateResult {
    const { row } = this;
    const { failure, warning, kind } = row;
    return html`<aside class="drawer" aria-labelledby="details-title" @keydown=${this.#pressed}>
      <div class="toolbar">
        <h3 id="details-title">${t("Request")}</h3>
        <button
          type="button"
          class="icon-button last"
          title=${t("Close")}
          aria-label=${t("Close the details")}
          @click=${() => this.onClose?.()}
        >
          ${icon("close")}
        </button>
      </div>
      ${
        failure === undefined
          ? nothing
          : html`<div class="problem">
              <p><strong>${failure.code}</strong>: ${failure.message}</p>
            </div>`
      }
      ${warning === undefined ? nothing : html`<div class="problem"><p>${warning}</p></div>`}
      <dl class="facts">
        ${facts(row).map(
          ([title, value]) =>
            html`<dt>${title}</dt>
              <dd>${value}</dd>`,
        )}
      </dl>
      <div class="actions">
        <vscode-button secondary @click=${this.#explain}>${t("Explain")}</vscode-button>
      </div>
      <div class="live" role="status">${this.#explained()}</div>
      ${
        kind === "tunnel"
          ? html`<p class="dim">${t("The host is not mapped: its bytes pass unseen.")}</p>`
          : nothing
      }
    </aside>`;
  }

  #explained(): TemplateResult | typeof nothing {
    const explanation = this.#explanation;
    if (explanation === undefined) {
      return nothing;
    }
    if ("message" in explanation) {
      return html`<p class="bad">${icon("cross")} ${explanation.message}</p>`;
    }
    const { result, candidates, sets, removes, cacheAge } = explanation;
    return html`<h4>${t("A request like this now")}</h4>
      <p>${results()[result]}</p>
      <dl class="facts">
        ${
          sets === undefined
            ? nothing
            : html`<dt>${t("Sets")}</dt>
                <dd>${sets}</dd>`
        }
        ${
          removes.length === 0
            ? nothing
            : html`<dt>${t("Removes")}</dt>
                <dd>${removes.join(", ")}</dd>`
        }
        ${
          cacheAge === undefined
            ? nothing
            : html`<dt>${t("Cached")}</dt>
                <dd>${t("for {0}", formatDuration(cacheAge))}</dd>`
        }
      </dl>
      ${
        candidates.length === 0
          ? nothing
          : html`<ol class="findings">
              ${candidates.map(
                ({ id, label, outcome }) =>
                  html`<li><strong>${outcomes()[outcome] ?? outcome}</strong>: ${id}<br />${label}</li>`,
              )}
            </ol>`
      }`;
  }

  readonly #explain = async (): Promise<void> => {
    const { row } = this;
    let explanation: Answer<"explain"> | Failure;
    try {
      explanation = await this.host.ask("explain", {
        host: row.host,
        path: row.path === "" ? "/" : row.path,
      });
    } catch (error) {
      explanation = failureOf(error);
    }
    if (row === this.row) {
      this.#explanation = explanation;
      this.requestUpdate();
    }
  };

  readonly #pressed = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      event.stopPropagation();
      this.onClose?.();
    }
  };
}

function facts(row: ActivityRow): readonly (readonly [string, string])[] {
  const { at, agent, method, host, path, status, entry, secret, source, cacheHit } = row;
  const all: readonly (readonly [string, string | undefined])[] = [
    [t("Time"), formatTime(at)],
    [t("Agent"), agent],
    [t("Request"), `${method} ${path}`.trim()],
    [t("Host"), host],
    [t("Status"), status === 0 ? t("none: the client left") : String(status)],
    [source === "stored" ? t("Stored secret") : t("Mapping"), entry],
    [t("Secret"), secret],
    [t("From the cache"), cacheHit === undefined ? undefined : cacheHit ? t("yes") : t("no")],
    [t("First byte"), formatDuration(row.headMs)],
    [t("Total"), formatDuration(row.totalMs)],
    [t("Bytes sent"), formatBytes(row.bytesUp)],
    [t("Bytes received"), formatBytes(row.bytesDown)],
  ];
  return all.flatMap(([title, value]) => (value === undefined ? [] : [[title, value] as const]));
}

function results(): Readonly<Record<Answer<"explain">["result"], string>> {
  return {
    injected: t("gets a secret."),
    bare: t("goes on without a secret: nothing is for its path."),
    untouched: t("passes untouched: the host is not mapped."),
    refused: t("is refused: servers could read its path in more than one way."),
  };
}

function outcomes(): Readonly<Record<string, string>> {
  return {
    wins: t("wins"),
    disabled: t("disabled"),
    "other-path": t("for another path"),
    "stored-wins": t("a stored secret wins"),
    "closer-host-wins": t("a closer host wins"),
    "longer-path-wins": t("a longer path wins"),
    "ambiguous-path": t("the path is ambiguous"),
  };
}

customElements.define("onecli-activity-details", ActivityDetails);
