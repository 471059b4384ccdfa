// Runs the doctor where agents run: in an integrated terminal, with the user's shell and its startup files.
import { watch } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import * as vscode from "vscode";
import type { Report } from "../shared/doctorReport.ts";
import type { DoctorState } from "../shared/webviewProtocol.ts";
import { openSetting, showWithActions } from "./notifications.ts";
import { shellCommand } from "./shellCommand.ts";
import type { Terminals } from "./terminals.ts";

/** A shell that says that it is ready does so in this time, in milliseconds; others are not waited for longer. */
const shellPatience = 3_000;

const reportName = "report.json";

export class Doctor implements vscode.Disposable {
  readonly #gatewayFile: string;
  readonly #terminals: Terminals;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly onDidChange = this.#changed.event;
  #terminal: vscode.Terminal | undefined;
  #state: DoctorState = { kind: "none" };

  constructor(gatewayFile: string, terminals: Terminals) {
    this.#gatewayFile = gatewayFile;
    this.#terminals = terminals;
  }

  get state(): DoctorState {
    return this.#state;
  }

  /** Shows the table in a terminal of its own, and its outcome as a notification. */
  async run(): Promise<void> {
    const terminal = await this.#terminals.openForDoctor();
    if (terminal === undefined) {
      const message = vscode.l10n.t(
        "OneCLI leaves the terminals of this window alone (onecli.terminals is off), so there is nothing to examine.",
      );
      await showWithActions("warning", message, [openSetting("onecli.terminals")]);
      return;
    }
    this.#terminal?.dispose();
    this.#terminal = terminal;
    const former = this.#state.kind === "running" ? undefined : this.#state;
    this.#enter({ kind: "running" });
    const folder = await mkdtemp(join(tmpdir(), "onecli-doctor-"));
    let report: Report | undefined;
    try {
      await readyShell(terminal);
      const shell = terminal.state.shell ?? basename(vscode.env.shell.replaceAll("\\", "/"));
      // The editor's own program is the Node that is there for sure.
      const command = [process.execPath, this.#gatewayFile, "doctor", "--report", join(folder, reportName)];
      const reported = untilReported(folder, terminal);
      terminal.sendText(shellCommand(shell, { ELECTRON_RUN_AS_NODE: "1" }, command));
      report = await reported;
      if (report !== undefined) {
        void tell(report, terminal);
      }
    } finally {
      // A run that was begun meanwhile, in a terminal of its own, speaks for itself.
      if (this.#terminal === terminal) {
        this.#enter(
          report === undefined ? (former ?? { kind: "none" }) : { kind: "done", at: Date.now(), report },
        );
      }
      await rm(folder, { recursive: true, force: true });
    }
  }

  dispose(): void {
    this.#terminal?.dispose();
    this.#changed.dispose();
  }

  #enter(state: DoctorState): void {
    this.#state = state;
    this.#changed.fire();
  }
}

/** Fulfilled when the shell asks for a command, as far as that can be known. */
function readyShell(terminal: vscode.Terminal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      listener.dispose();
      resolve();
    };
    const listener = vscode.window.onDidChangeTerminalShellIntegration((event) => {
      if (event.terminal === terminal) {
        done();
      }
    });
    const timer = setTimeout(done, shellPatience);
    if (terminal.shellIntegration !== undefined) {
      done();
    }
  });
}

/** The outcome, once the doctor has written it; undefined where its terminal was closed before. */
function untilReported(folder: string, terminal: vscode.Terminal): Promise<Report | undefined> {
  return new Promise((resolve) => {
    const done = (report: Report | undefined) => {
      watcher.close();
      listener.dispose();
      resolve(report);
    };
    const watcher = watch(folder);
    watcher.on("change", () => {
      void readReport(join(folder, reportName)).then((report) => {
        if (report !== undefined) {
          done(report);
        }
      });
    });
    watcher.on("error", () => done(undefined));
    const listener = vscode.window.onDidCloseTerminal((closed) => {
      if (closed === terminal) {
        done(undefined);
      }
    });
  });
}

async function readReport(file: string): Promise<Report | undefined> {
  try {
    const { reportSchema } = await import("../shared/doctorReport.ts");
    return reportSchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch {
    // Not there yet: it comes whole, by renaming.
    return undefined;
  }
}

async function tell({ ok, problems }: Report, terminal: vscode.Terminal): Promise<void> {
  const show = vscode.l10n.t("Show");
  const pressed = ok
    ? await vscode.window.showInformationMessage(
        vscode.l10n.t("OneCLI Doctor: all is well in your terminals."),
        show,
      )
    : await vscode.window.showWarningMessage(
        problems === 1
          ? vscode.l10n.t("OneCLI Doctor found 1 problem in your terminals; its table says what to do.")
          : vscode.l10n.t(
              "OneCLI Doctor found {0} problems in your terminals; its table says what to do.",
              problems,
            ),
        show,
      );
  if (pressed === show) {
    terminal.show();
  }
}
