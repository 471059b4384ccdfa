// Runs the doctor where agents run: in an integrated terminal, with the user's shell and its startup files.
import { watch } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import * as vscode from "vscode";
import { type DoctorSummary, doctorSummary } from "../shared/doctorProtocol.ts";
import { showWithActions } from "./notifications.ts";
import { shellCommand } from "./shellCommand.ts";
import type { Terminals } from "./terminals.ts";

/** A shell that says that it is ready does so in this time, in milliseconds; others are not waited for longer. */
const shellPatience = 3_000;

const reportName = "report.json";

export class Doctor implements vscode.Disposable {
  readonly #gatewayFile: string;
  readonly #terminals: Terminals;
  #terminal: vscode.Terminal | undefined;

  constructor(gatewayFile: string, terminals: Terminals) {
    this.#gatewayFile = gatewayFile;
    this.#terminals = terminals;
  }

  /** Shows the table in a terminal of its own, and its outcome as a notification. */
  async run(): Promise<void> {
    const terminal = await this.#terminals.openForDoctor();
    if (terminal === undefined) {
      const message =
        "OneCLI leaves the terminals of this window alone (onecli.terminals is off), so there is nothing to examine.";
      await showWithActions("warning", message, [
        { title: "Open Setting", command: "workbench.action.openSettings", arguments: ["onecli.terminals"] },
      ]);
      return;
    }
    this.#terminal?.dispose();
    this.#terminal = terminal;
    const folder = await mkdtemp(join(tmpdir(), "onecli-doctor-"));
    try {
      await readyShell(terminal);
      const shell = terminal.state.shell ?? basename(vscode.env.shell.replaceAll("\\", "/"));
      // The editor's own program is the Node that is there for sure.
      const command = [process.execPath, this.#gatewayFile, "doctor", "--report", join(folder, reportName)];
      const reported = untilReported(folder, terminal);
      terminal.sendText(shellCommand(shell, { ELECTRON_RUN_AS_NODE: "1" }, command));
      const summary = await reported;
      if (summary !== undefined) {
        void tell(summary, terminal);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  dispose(): void {
    this.#terminal?.dispose();
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
function untilReported(folder: string, terminal: vscode.Terminal): Promise<DoctorSummary | undefined> {
  return new Promise((resolve) => {
    const done = (summary: DoctorSummary | undefined) => {
      watcher.close();
      listener.dispose();
      resolve(summary);
    };
    const watcher = watch(folder);
    watcher.on("change", () => {
      void readSummary(join(folder, reportName)).then((summary) => {
        if (summary !== undefined) {
          done(summary);
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

async function readSummary(file: string): Promise<DoctorSummary | undefined> {
  try {
    return doctorSummary.parse(JSON.parse(await readFile(file, "utf8")));
  } catch {
    // Not there yet: it comes whole, by renaming.
    return undefined;
  }
}

async function tell({ ok, problems }: DoctorSummary, terminal: vscode.Terminal): Promise<void> {
  const show = "Show";
  const count = problems === 1 ? "1 problem" : `${problems} problems`;
  const pressed = ok
    ? await vscode.window.showInformationMessage("OneCLI Doctor: all is well in your terminals.", show)
    : await vscode.window.showWarningMessage(
        `OneCLI Doctor found ${count} in your terminals; its table says what to do.`,
        show,
      );
  if (pressed === show) {
    terminal.show();
  }
}
