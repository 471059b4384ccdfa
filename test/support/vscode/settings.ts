// Settings of a VS Code that nobody sits at.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

export type Settings = Readonly<Record<string, unknown>>;

/** No welcome, no tips, no AI, no telemetry, no updates, no questions. */
const quiet: Settings = {
  "chat.commandCenter.enabled": false,
  "chat.disableAIFeatures": true,
  "editor.accessibilitySupport": "off",
  "extensions.autoCheckUpdates": false,
  "extensions.autoUpdate": false,
  "extensions.ignoreRecommendations": true,
  "git.enabled": false,
  "git.openRepositoryInParentFolders": "never",
  "remote.autoForwardPorts": false,
  "security.workspace.trust.enabled": false,
  "telemetry.telemetryLevel": "off",
  "terminal.integrated.enablePersistentSessions": false,
  // Text is in the document then, not painted on a canvas.
  "terminal.integrated.gpuAcceleration": "off",
  "terminal.integrated.initialHint": false,
  // It shows the command above its output a second time, in a terminal of its own.
  "terminal.integrated.stickyScroll.enabled": false,
  "update.mode": "none",
  "update.showReleaseNotes": false,
  "window.confirmBeforeClose": "never",
  "window.restoreWindows": "none",
  "workbench.enableExperiments": false,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "workbench.settings.enableNaturalLanguageSearch": false,
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
  "workbench.welcomePage.walkthroughs.openOnInstall": false,
};

/** Writes the user's settings, all of them. */
export async function writeSettings(userData: string, settings: Settings = {}): Promise<void> {
  await mkdir(join(userData, "User"), { recursive: true });
  const content = JSON.stringify({ ...quiet, ...settings }, null, 2);
  await writeFile(join(userData, "User/settings.json"), content);
}
