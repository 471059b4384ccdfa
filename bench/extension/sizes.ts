import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { projectRoot } from "../../test/support/vscode/paths.ts";
import { type Finding } from "./findings.ts";

const megabyte = 1024 * 1024;

/** What test/e2e/package.test.ts and test/webview hold. @param vsix the package; dist/ is as it was packaged */
export async function measureSizes(vsix: string): Promise<Finding[]> {
  const dist = join(projectRoot, "dist");
  const size = async (file: string) => (await stat(file)).size;
  const page = (await readdir(join(dist, "webview"))).filter((name) => /\.(js|css)$/.test(name));
  const pageSizes = await Promise.all(page.map((name) => size(join(dist, "webview", name))));
  const inMegabytes = async (file: string) => [(await size(file)) / megabyte];
  return [
    { what: "extension.js", unit: "MB", values: await inMegabytes(join(dist, "extension.js")), target: 1.5 },
    {
      what: "The dashboard's page",
      unit: "KB",
      values: [pageSizes.reduce((sum, bytes) => sum + bytes, 0) / 1000],
      target: 150,
    },
    { what: ".vsix", unit: "MB", values: await inMegabytes(vsix), target: 8 },
  ];
}
