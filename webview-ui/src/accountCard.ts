import { html, nothing, type TemplateResult } from "lit";
import type { Connection } from "../../src/shared/webviewProtocol.ts";
import { failureOf, type Host } from "./host.ts";
import { icon, type IconName } from "./icons.ts";
import { formatTime, t } from "./l10n.ts";
import { Light } from "./light.ts";

/** What 1Password lets a Service Account of any plan ask for in a day; see its page on rate limits. */
const leastDailyLimit = 1_000;

interface Standing {
  readonly icon: IconName;
  readonly tone: "good" | "bad" | "plain";
  readonly text: string;
}

/** The account, and how it stands with 1Password. */
class AccountCard extends Light {
  static override properties = { host: { attribute: false }, connection: { attribute: false } };
  declare host: Host;
  declare connection: Connection;
  #vaults: readonly string[] | undefined;
  #message: string | undefined;

  protected override willUpdate(changed: Map<PropertyKey, unknown>): void {
    const former = changed.get("connection") as Connection | undefined;
    if (former !== undefined && nameOf(former) !== nameOf(this.connection)) {
      this.#vaults = undefined;
      this.#message = undefined;
    }
  }

  protected override render(): TemplateResult {
    const { account, team, problem } = this.connection;
    const standing = this.#standing();
    const isConnected = account.kind === "present";
    return html`<section class="card" aria-labelledby="account-title">
      <h2 id="account-title">1Password</h2>
      <p class="standing ${standing.tone}" role="status">
        ${icon(standing.icon)}<span>${standing.text}</span>
      </p>
      ${team === undefined ? nothing : this.#team(team.host)}
      ${isConnected ? this.#facts(account.name, account.vaults) : nothing}
      ${team?.problem === undefined ? nothing : html`<p class="problem" role="alert">${team.problem}</p>`}
      ${
        problem === undefined
          ? nothing
          : html`<div class="problem" role="alert">
              <p><strong>${problem.failure.message}</strong></p>
              ${problem.failure.hint === undefined ? nothing : html`<p>${problem.failure.hint}</p>`}
              <p class="dim">${problem.failure.code} · ${formatTime(problem.at)}</p>
            </div>`
      }
      <div class="actions">
        ${
          isConnected
            ? html`${team === undefined ? this.#remedy(problem) : nothing}
              ${this.#button(t("Disconnect"), "onecli.account.disconnect", true)}`
            : this.#button(t("Connect 1Password"), "onecli.account.connect", false)
        }
        ${team === undefined ? nothing : this.#button(t("Team Gateway…"), "onecli.gateway.useTeam", true)}
      </div>
    </section>`;
  }

  #remedy(problem: Connection["problem"]): TemplateResult {
    return problem?.fix === undefined || problem.fix.command === "onecli.account.reconnect"
      ? this.#button(t("Check Again"), "onecli.account.reconnect", problem === undefined)
      : this.#button(problem.fix.title, problem.fix.command, false);
  }

  #button(title: string, command: Parameters<Host["run"]>[0], secondary: boolean): TemplateResult {
    return html`<vscode-button ?secondary=${secondary} @click=${() => this.host.run(command)}
      >${title}</vscode-button
    >`;
  }

  #standing(): Standing {
    const { account, gateway, problem, team } = this.connection;
    if (team?.problem !== undefined) {
      return { icon: "cross", tone: "bad", text: t("Something is wrong") };
    }
    if (gateway === "restarting") {
      return { icon: "warning", tone: "bad", text: t("The gateway is being restarted") };
    }
    if (account.kind === "none") {
      return { icon: "off", tone: "plain", text: t("Not connected") };
    }
    if (problem !== undefined) {
      return { icon: "cross", tone: "bad", text: t("Something is wrong") };
    }
    return gateway === "stopped"
      ? { icon: "off", tone: "bad", text: t("The gateway does not run") }
      : { icon: "check", tone: "good", text: t("Connected") };
  }

  #team(host: string): TemplateResult {
    return html`<p>
        ${t("The team gateway {0} is used; mappings and stored secrets of this workspace are left alone.", host)}
      </p>
      <p class="dim">${t("Its API shows no vaults, no stored secrets and no use of 1Password's quota.")}</p>`;
  }

  #facts(name: string | undefined, vaults: number | undefined): TemplateResult {
    const { usage } = this.connection;
    const account = html`<dt>${t("Account")}</dt>
      <dd>${name ?? t("known after its first use")}</dd>`;
    if (usage === undefined) {
      return html`<dl class="facts">${account}</dl>`;
    }
    const { hour, day } = usage;
    return html`<dl class="facts">
        ${account}
        <dt>${t("Vaults")}</dt>
        <dd>
          ${
            this.#vaults === undefined
              ? html`${vaults ?? ""}
                  <button type="button" class="link" @click=${this.#showVaults}>${t("Show names")}</button>`
              : this.#vaults.length === 0
                ? t("none: grant the service account read access")
                : this.#vaults.join(", ")
          }
          ${this.#message === undefined ? nothing : html`<span role="alert">${this.#message}</span>`}
        </dd>
        <dt id="usage-label">${t("Requests to 1Password")}</dt>
        <dd>
          <meter
            aria-labelledby="usage-label"
            min="0"
            max=${leastDailyLimit}
            high=${0.8 * leastDailyLimit}
            .value=${Math.min(day, leastDailyLimit)}
          ></meter>
          ${t("{0} in 24 hours, {1} in the last one", day, hour)}
        </dd>
      </dl>
      <p class="dim">
        ${t(
          "Of this window; others use the same quota. 1Password allows 1,000 a day for Individual and Families, 5,000 for Teams, 50,000 for Business.",
        )}
      </p>`;
  }

  readonly #showVaults = async (): Promise<void> => {
    try {
      this.#vaults = await this.host.ask("vaults", {});
      this.#message = undefined;
    } catch (error) {
      this.#message = failureOf(error).message;
    }
    this.requestUpdate();
  };
}

/** The vaults that were asked for are those of this account. */
function nameOf({ account, team }: Connection): string {
  return `${account.kind === "none" ? "" : (account.name ?? "")} ${team?.host ?? ""}`;
}

customElements.define("onecli-account", AccountCard);
