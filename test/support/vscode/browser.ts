// A Chromium for the workbench: the one named by CHROME_PATH, the one that npm brings for Linux x64, or an installed one.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BrowserContext, chromium } from "playwright-core";
import { makeOnce } from "./makeOnce.ts";
import { cacheFolder, projectRoot } from "./paths.ts";

export interface Browser {
  readonly executable: string;
  /** What this executable needs on top of the environment. */
  readonly env: Readonly<Record<string, string>>;
}

const installed = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable",
  "/snap/bin/chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/** The system's fonts, where there are any, and the one of the package. */
const fontsConfig = (folder: string) => `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>${join(folder, "fonts")}</dir>
  <cachedir>${join(folder, "fonts-cache")}</cachedir>
</fontconfig>
`;

/**
 * Unpacks @sparticuz/chromium (1.8 s, once). The package unpacks into the temporary folder, and takes what lies there
 * under that name for its own; so it is given a folder that is ours. What makes it believe that it runs in Amazon Linux is
 * that it unpacks the libraries (NSS, expat) that a slim machine lacks.
 */
async function unpackedChromium(): Promise<Browser | undefined> {
  if (process.platform !== "linux" || process.arch !== "x64") {
    return undefined;
  }
  const entry = fileURLToPath(import.meta.resolve("@sparticuz/chromium"));
  const manifest = join(dirname(entry), "../../package.json");
  if (!existsSync(manifest)) {
    return undefined;
  }
  const { version } = JSON.parse(await readFile(manifest, "utf8")) as { version: string };
  const folder = join(cacheFolder, "chromium");
  await makeOnce(folder, version, async (into) => {
    const code = `import { default as chromium } from "@sparticuz/chromium"; await chromium.executablePath();`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", code], {
      cwd: projectRoot,
      env: { ...process.env, TMPDIR: into, AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x" },
      stdio: ["ignore", "ignore", "inherit"],
    });
    const [status] = (await once(child, "exit")) as [number | null];
    if (status !== 0 || !existsSync(join(into, "chromium"))) {
      throw new Error(`@sparticuz/chromium did not unpack (${String(status)})`);
    }
    await writeFile(join(into, "fonts.conf"), fontsConfig(folder));
  });
  return {
    executable: join(folder, "chromium"),
    env: { LD_LIBRARY_PATH: join(folder, "al2023/lib"), FONTCONFIG_FILE: join(folder, "fonts.conf") },
  };
}

export async function findBrowser(): Promise<Browser> {
  const named = process.env["CHROME_PATH"];
  if (named !== undefined && named !== "") {
    return { executable: named, env: {} };
  }
  const unpacked = await unpackedChromium();
  if (unpacked !== undefined) {
    return unpacked;
  }
  const executable = installed.find((path) => existsSync(path));
  if (executable === undefined) {
    throw new Error("No Chromium or Chrome found: install one, or say where it is in CHROME_PATH.");
  }
  return { executable, env: {} };
}

/** A browser with one page. The folder keeps what VS Code stores in the browser: SecretStorage and Memento, per origin. */
export async function launchBrowser(profile: string): Promise<BrowserContext> {
  const { executable, env } = await findBrowser();
  return chromium.launchPersistentContext(profile, {
    executablePath: executable,
    env: { ...(process.env as Record<string, string>), ...env },
    viewport: { width: 1280, height: 800 },
    locale: "en-US",
    permissions: ["clipboard-read", "clipboard-write"],
    // Chromium's own sandbox does not start as root, nor in most containers.
    chromiumSandbox: false,
    args: [
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
      "--no-proxy-server",
      "--password-store=basic",
    ],
  });
}
