import * as vscode from "vscode";

type ContextKey = "onecli.hasAccount" | "onecli.hasMappings" | "onecli.hasStoredSecrets" | "onecli.usesTeam";

const known = new Map<string, boolean>();

/** The keys that `when` clauses of package.json ask for. */
export function setContextKey(key: ContextKey, value: boolean): void {
  if (known.get(key) !== value) {
    known.set(key, value);
    void vscode.commands.executeCommand("setContext", key, value);
  }
}
