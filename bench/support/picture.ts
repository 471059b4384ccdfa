// Charts as pictures, for the pages that take no SVG.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launchBrowser } from "../../test/support/vscode/browser.ts";

/** Writes an SVG as a PNG of twice its size, on white. @throws Error where there is no browser */
export async function writePicture(svg: string, file: string): Promise<void> {
  const profile = await mkdtemp(join(tmpdir(), "onecli-bench-browser-"));
  try {
    const browser = await launchBrowser(profile);
    try {
      const page = await browser.newPage();
      await page.setContent(`<body style="margin: 0; background: #fff; zoom: 2">${svg}`);
      await page.locator("svg").screenshot({ path: file });
    } finally {
      await browser.close();
    }
  } finally {
    await rm(profile, { recursive: true, force: true });
  }
}
