// npm run bench:extension: what the packaged extension costs the main thread of a real extension host. `-- --quick` takes a
// minute; `-- --profile FOLDER` adds CPU profiles of that thread, which cost time themselves.
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { killPrograms } from "../test/support/program.ts";
import { packageVsix } from "../test/support/vscode/vsix.ts";
import { Editor } from "./extension/editor.ts";
import { fullPlan, quickPlan } from "./extension/plan.ts";
import { asJson, asMarkdown } from "./extension/report.ts";
import { measureSizes } from "./extension/sizes.ts";
import { measureStarts } from "./extension/start.ts";
import { measureStream } from "./extension/stream.ts";
import { measureTraffic } from "./extension/traffic.ts";

const { values } = parseArgs({
  options: { quick: { type: "boolean", default: false }, profile: { type: "string" } },
});
const plan = values.quick ? quickPlan : fullPlan;
const profiles = values.profile === undefined ? undefined : resolve(values.profile);
if (profiles !== undefined) {
  await mkdir(profiles, { recursive: true });
}
const vsix = await packageVsix();
const editor = await Editor.start(vsix, profiles);
try {
  const starts = await measureStarts(editor, plan);
  const env = await editor.terminalEnvironment();
  const findings = [
    ...starts,
    ...(await measureTraffic(editor, env, plan)),
    ...(await measureStream(editor, env, plan)),
    ...(await measureSizes(vsix)),
  ];
  const folder = join(import.meta.dirname, "results");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "extension.json"), asJson(findings));
  await writeFile(join(folder, "extension.md"), asMarkdown(findings));
  console.log(asMarkdown(findings));
} finally {
  await killPrograms();
  await editor.stop();
}
