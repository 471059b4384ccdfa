import { html, type TemplateResult } from "lit";
import { protocolVersion } from "../../src/shared/webviewConstants.ts";
import type { DashboardState, ServiceRow } from "../../src/shared/webviewProtocol.ts";
import "./accountCard.ts";
import "./activity.ts";
import "./doctorCard.ts";
import { Host } from "./host.ts";
import { setLanguage, t } from "./l10n.ts";
import { Light } from "./light.ts";
import "./secrets.ts";
import { applyPatch } from "./state.ts";
import "./trafficChart.ts";

class Dashboard extends Light {
  readonly #host = new Host();
  #state: DashboardState | undefined;
  #services: readonly ServiceRow[] = [];
  #isOutdated = false;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#host.connect((news) => {
      if (news.type === "snapshot") {
        setLanguage(news.language, news.texts);
        this.#isOutdated = news.version !== protocolVersion;
        this.#services = news.services;
        this.#state = news.state;
      } else if (this.#state !== undefined) {
        this.#state = applyPatch(this.#state, news);
      }
      this.requestUpdate();
    });
  }

  protected override render(): TemplateResult {
    const state = this.#state;
    if (state === undefined) {
      return html`<p class="loading" role="status">…</p>`;
    }
    if (this.#isOutdated) {
      return html`<p class="loading" role="alert">
        ${t("This page is from another version of OneCLI. Close it and open the dashboard again.")}
      </p>`;
    }
    const { connection, entries, activity, traffic, doctor } = state;
    return html`<main>
      <h1 class="hidden">${t("OneCLI Dashboard")}</h1>
      <div class="overview">
        <onecli-account .host=${this.#host} .connection=${connection}></onecli-account>
        <onecli-traffic .known=${traffic} .hasReads=${connection.team === undefined}></onecli-traffic>
        <onecli-doctor .host=${this.#host} .doctor=${doctor}></onecli-doctor>
      </div>
      <onecli-secrets
        .host=${this.#host}
        .entries=${entries}
        .services=${this.#services}
        .hasAccount=${connection.account.kind === "present"}
        .isTeams=${connection.team !== undefined}
      ></onecli-secrets>
      <onecli-activity .host=${this.#host} .records=${activity}></onecli-activity>
    </main>`;
  }
}

customElements.define("onecli-dashboard", Dashboard);
