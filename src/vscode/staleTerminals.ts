import * as vscode from "vscode";

/** Terminals that were there before the gateway had to take another port: theirs leads nowhere. */
export class StaleTerminals {
  /** Says how many there are, and opens a new one in the place of each if the person wants it. */
  announce(): void {
    const terminals = [...vscode.window.terminals];
    if (terminals.length === 0) {
      return;
    }
    const count = terminals.length === 1 ? "1 terminal has" : `${terminals.length} terminals have`;
    const relaunch = "Relaunch";
    void vscode.window
      .showWarningMessage(
        `${count} the address of a gateway that is gone: its port was taken by another program. Programs in them cannot use your secrets.`,
        relaunch,
      )
      .then((answer) => {
        if (answer === relaunch) {
          for (const terminal of terminals) {
            vscode.window.createTerminal(terminal.creationOptions as vscode.TerminalOptions);
            terminal.dispose();
          }
        }
      });
  }
}
