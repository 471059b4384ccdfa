import { html, nothing, type TemplateResult } from "lit";
import type { Cell, Report, ToolReport } from "../../src/shared/doctorReport.ts";
import type { DoctorState } from "../../src/shared/webviewProtocol.ts";
import type { Host } from "./host.ts";
import { icon } from "./icons.ts";
import { formatTime, t } from "./l10n.ts";
import { Light } from "./light.ts";

const columns: readonly (readonly [keyof ToolReport["cells"], string])[] = [
  ["proxy", "Proxy"],
  ["ca", "CA"],
  ["header", "Header"],
  ["sse", "SSE"],
  ["webSocket", "WebSocket"],
  ["h2", "HTTP/2"],
];

/** What the doctor found in a terminal, and the way to have it look again. */
class DoctorCard extends Light {
  static override properties = { host: { attribute: false }, doctor: { attribute: false } };
  declare host: Host;
  declare doctor: DoctorState;

  protected override render(): TemplateResult {
    const { doctor } = this;
    const isRunning = doctor.kind === "running";
    return html`<section class="card" aria-labelledby="doctor-title">
      <h2 id="doctor-title">${t("Doctor")}</h2>
      ${doctor.kind === "done" ? this.#outcome(doctor.report, doctor.at) : nothing}
      ${isRunning ? html`<p role="status">${t("The tools of a terminal are being examined…")}</p>` : nothing}
      ${
        doctor.kind === "none"
          ? html`<p>
              ${t("Proves tool by tool that proxy, certificate, header and streams work in your terminals.")}
            </p>`
          : nothing
      }
      <div class="actions">
        <vscode-button
          ?secondary=${doctor.kind === "done"}
          ?disabled=${isRunning}
          @click=${() => this.host.run("onecli.doctor.run")}
          >${doctor.kind === "done" ? t("Run Again") : t("Run Doctor")}</vscode-button
        >
      </div>
    </section>`;
  }

  #outcome(report: Report, at: number): TemplateResult {
    const { ok, problems } = report;
    const verdict = ok ? t("All is well") : problems === 1 ? t("1 problem") : t("{0} problems", problems);
    return html`<p class="standing ${ok ? "good" : "bad"}" role="status">
        ${icon(ok ? "check" : "cross")}<span>${verdict}</span
        ><span class="dim">${formatTime(at, false)}</span>
      </p>
      ${
        ok
          ? nothing
          : html`<ul class="findings">
              ${findings(report)}
            </ul>`
      }
      <details>
        <summary>${t("All tools")}</summary>
        <div class="scroll-x" tabindex="0" role="region" aria-label=${t("All tools")}>
          <table>
            <thead>
              <tr>
                <th scope="col">${t("Tool")}</th>
                <th scope="col">${t("Version")}</th>
                ${columns.map(([, title]) => html`<th scope="col">${title}</th>`)}
              </tr>
            </thead>
            <tbody>
              ${report.tools
                .filter(({ program }) => program !== null)
                .map(
                  ({ name, version, cells }) =>
                    html`<tr>
                      <th scope="row">${name}</th>
                      <td>${version ?? ""}</td>
                      ${columns.map(([key]) => tableCell(cells[key]))}
                    </tr>`,
                )}
            </tbody>
          </table>
        </div>
        ${report.notes.map((note) => html`<p class="dim">${note}</p>`)}
      </details>`;
  }
}

function findings({ environment, tools }: Report): TemplateResult[] {
  const cells: (readonly [where: string, cell: Cell])[] = [
    ...environment.map(({ name, cell }) => [name, cell] as const),
    ...tools.flatMap(({ name, cells: all }) =>
      columns.map(([key, title]) => [`${name}, ${title}`, all[key]] as const),
    ),
  ];
  return cells.flatMap(([where, cell]) =>
    cell.state === "failed"
      ? [html`<li><strong>${where}</strong>: ${cell.cause}<br />${icon("edit")} ${cell.fix}</li>`]
      : [],
  );
}

function tableCell(cell: Cell): TemplateResult {
  switch (cell.state) {
    case "ok":
      return html`<td class="good">${icon("check")} ${cell.as ?? t("ok")}</td>`;
    case "failed":
      return html`<td class="bad" title=${cell.cause}>${icon("cross")} ${t("failed")}</td>`;
    case "none":
      return html`<td class="dim" title=${cell.reason}>–</td>`;
  }
}

customElements.define("onecli-doctor", DoctorCard);
