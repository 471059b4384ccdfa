// Writes test/fixtures/themes.json: what the variables that the dashboard uses are worth in VS Code's own themes, as the
// real workbench hands them to a page. Build dist/ first.
//
//   node test/support/vscode/writeThemes.ts
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DashboardView } from "./dashboardView.ts";
import { projectRoot } from "./paths.ts";
import { Session } from "./session.ts";
import { packageVsix } from "./vsix.ts";
import { colorThemes } from "./workbench.ts";

const workDir = await mkdtemp(join(tmpdir(), "onecli-themes-"));
const session = await Session.start({
  workDir,
  vsix: await packageVsix(),
  artifacts: join(workDir, "artifacts"),
});
try {
  const built = await Promise.all(
    ["dashboard.js", "dashboard.css"].map((name) =>
      readFile(join(projectRoot, "dist/webview", name), "utf8"),
    ),
  );
  const used = new Set(built.join("").match(/--vscode-[\w-]+/g));
  await session.workbench.runCommand("OneCLI: Open Dashboard");
  const view = new DashboardView(session.workbench.page);
  await view.ready();
  const themes: Record<string, { kind: string; variables: Record<string, string> }> = {};
  for (const theme of colorThemes) {
    await session.workbench.setColorTheme(theme);
    const kind = (await view.frame.locator("body").getAttribute("data-vscode-theme-kind")) ?? "";
    const style = (await view.frame.locator("html").getAttribute("style")) ?? "";
    const variables = Object.fromEntries(
      [...style.matchAll(/(--vscode-[\w-]+):\s*([^;]+);/g)]
        .map(([, name = "", value = ""]) => [name, value.trim()] as const)
        .filter(([name]) => used.has(name))
        .toSorted(([a], [b]) => a.localeCompare(b)),
    );
    themes[theme] = { kind, variables };
  }
  await mkdir(join(projectRoot, "test/fixtures"), { recursive: true });
  await writeFile(
    join(projectRoot, "test/fixtures/themes.json"),
    `${JSON.stringify(themes, undefined, 2)}\n`,
  );
} finally {
  await session.workbench.screenshot("last").catch(() => undefined);
  await session.stop();
  if (process.env["KEEP"] === undefined) {
    await rm(workDir, { recursive: true, force: true });
  } else {
    console.log(workDir);
  }
}
