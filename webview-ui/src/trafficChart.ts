// The last hour, minute by minute. Three small charts, each with a scale of its own: a read of 1Password would not be seen
// beside a thousand requests. Shape and place tell them apart, not colour.
import { html, nothing, svg, type TemplateResult } from "lit";
import type { Count, Minute } from "../../src/shared/traffic.ts";
import { formatTime, t } from "./l10n.ts";
import { Light } from "./light.ts";
import { lastHour } from "./state.ts";

/** Units of the drawing: a minute is so wide, a chart so high. */
const step = 6;
const height = 36;

/** Milliseconds after which the chart moves on by itself. */
const tick = 10_000;

class TrafficChart extends Light {
  static override properties = { known: { attribute: false }, hasReads: { attribute: false } };
  declare known: readonly Minute[];
  /** Requests to 1Password are known of. */
  declare hasReads: boolean;
  #timer = 0;
  #pointed: Minute | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#timer = window.setInterval(() => this.requestUpdate(), tick);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.clearInterval(this.#timer);
  }

  protected override render(): TemplateResult {
    const minutes = lastHour(this.known, Date.now());
    const first = minutes[0]?.minute ?? 0;
    const times = [0, 15, 30, 45, 60].map((offset) => formatTime((first + offset) * 60_000, false));
    const pointed = minutes.find(({ minute }) => minute === this.#pointed?.minute);
    return html`<section class="card traffic" aria-labelledby="traffic-title">
      <h2 id="traffic-title">${t("Last hour")}</h2>
      <div
        @pointermove=${(event: PointerEvent) => this.#point(event, minutes)}
        @pointerleave=${this.#unpoint}
      >
        ${this.#series(t("Requests"), "requests", minutes)} ${this.#series(t("Errors"), "errors", minutes)}
        ${this.hasReads ? this.#series(t("Requests to 1Password"), "reads", minutes) : nothing}
      </div>
      <div class="axis" aria-hidden="true">${times.map((time) => html`<span>${time}</span>`)}</div>
      <p class="dim pointed" aria-hidden="true">
        ${
          pointed === undefined
            ? t("per minute")
            : `${formatTime(pointed.minute * 60_000, false)} · ${this.#counts(pointed)}`
        }
      </p>
      <details>
        <summary>${t("As a table")}</summary>
        ${this.#table(minutes)}
      </details>
    </section>`;
  }

  #series(title: string, what: Count, minutes: readonly Minute[]): TemplateResult {
    const values = minutes.map((minute) => minute[what]);
    const peak = Math.max(...values);
    const total = values.reduce((sum, value) => sum + value, 0);
    const label = t("{0}: {1} in the last hour, {2} in the busiest minute", title, total, peak);
    const bars = values.map((value, index) => {
      const size = peak === 0 ? 0 : Math.max(value === 0 ? 0 : 1.5, (value / peak) * (height - 2));
      return svg`<rect x=${index * step + 1} y=${height - size} width=${step - 2} height=${size} />`;
    });
    return html`<div class="series ${what}">
      <span class="series-title" aria-hidden="true"
        ><b>${title}</b> ${t("{0} in all, peak {1}", total, peak)}</span
      >
      <svg
        role="img"
        aria-label=${label}
        viewBox="0 0 ${minutes.length * step} ${height}"
        preserveAspectRatio="none"
      >
        ${svg`<line class="base" x1="0" x2=${minutes.length * step} y1=${height - 0.5} y2=${height - 0.5} />`}${bars}
      </svg>
    </div>`;
  }

  #counts({ requests, errors, reads }: Minute): string {
    return this.hasReads
      ? t("{0} requests, {1} errors, {2} to 1Password", requests, errors, reads)
      : t("{0} requests, {1} errors", requests, errors);
  }

  #table(minutes: readonly Minute[]): TemplateResult {
    const busy = minutes.filter(({ requests, errors, reads }) => requests + errors + reads > 0).toReversed();
    return html`<div class="scroll-y" tabindex="0" role="region" aria-label=${t("Last hour")}>
      <table>
        <thead>
          <tr>
            <th scope="col">${t("Minute")}</th>
            <th scope="col" class="end">${t("Requests")}</th>
            <th scope="col" class="end">${t("Errors")}</th>
            ${this.hasReads ? html`<th scope="col" class="end">${t("Requests to 1Password")}</th>` : nothing}
          </tr>
        </thead>
        <tbody>
          ${
            busy.length === 0
              ? html`<tr>
                  <td colspan="4">${t("Nothing happened in the last hour.")}</td>
                </tr>`
              : busy.map(
                  ({ minute, requests, errors, reads }) =>
                    html`<tr>
                      <th scope="row">${formatTime(minute * 60_000, false)}</th>
                      <td class="end">${requests}</td>
                      <td class="end">${errors}</td>
                      ${this.hasReads ? html`<td class="end">${reads}</td>` : nothing}
                    </tr>`,
                )
          }
        </tbody>
      </table>
    </div>`;
  }

  #point(event: PointerEvent, minutes: readonly Minute[]): void {
    const chart = this.querySelector(".series svg")?.getBoundingClientRect();
    if (chart !== undefined && chart.width > 0) {
      const index = Math.floor(((event.clientX - chart.left) / chart.width) * minutes.length);
      this.#pointed = minutes[index];
      this.requestUpdate();
    }
  }

  readonly #unpoint = (): void => {
    this.#pointed = undefined;
    this.requestUpdate();
  };
}

customElements.define("onecli-traffic", TrafficChart);
