// Runs a test bundle inside a real extension host: what runTests of @vscode/test-electron does, on code-server.
//
//   node test/support/vscode/runInHost.ts [--grep TEXT] [--verbose]
//
// Bundles test/vscode and runs it with this project as the extension; build dist/ first.
import { createReadStream, watch } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { launchBrowser } from "./browser.ts";
import { bundleTests } from "./bundle.ts";
import { Cleanup } from "./cleanup.ts";
import { remoteUri, startVsCode, workbenchUrl } from "./host.ts";
import { variables } from "./mochaInHost.ts";
import { projectRoot } from "./paths.ts";
import { type Settings } from "./settings.ts";

export interface HostRun {
  /** The extension under test, unpacked. */
  readonly extension: string;
  /** A bundle made by `bundleTests`. */
  readonly tests: string;
  /** The folder that is open; an empty one without it. */
  readonly folder?: string;
  readonly settings?: Settings;
  readonly env?: NodeJS.ProcessEnv;
  readonly grep?: string;
  /** Prints what the extension host and the workbench say, too. */
  readonly verbose?: boolean;
  /** For the logs, and a picture of the workbench if the run fails. */
  readonly artifacts?: string;
  /** Milliseconds for the whole run. */
  readonly timeout?: number;
}

const outcome = z
  .object({ passes: z.number(), failures: z.number(), pending: z.number() })
  .transform(({ passes, failures, pending }) => ({ passed: passes, failed: failures, pending }));
export type HostOutcome = z.infer<typeof outcome>;

/** Prints a file as it grows. */
async function followFile(file: string): Promise<{ stop(): Promise<void> }> {
  await writeFile(file, "");
  let shown = 0;
  let printing = Promise.resolve();
  const print = () => {
    printing = printing.then(async () => {
      for await (const chunk of createReadStream(file, { start: shown })) {
        shown += (chunk as Buffer).length;
        process.stdout.write(chunk as Buffer);
      }
    });
  };
  const watcher = watch(file, print);
  return {
    async stop() {
      watcher.close();
      print();
      await printing;
    },
  };
}

/**
 * Prints what Mocha prints, while it runs.
 *
 * @throws Error if the suite does not come to its end: the host or the browser dies, time is up, or no test ran.
 */
export async function runInHost(run: HostRun): Promise<HostOutcome> {
  const cleanup = new Cleanup();
  try {
    return await runWith(run, cleanup);
  } finally {
    await cleanup.run();
  }
}

async function runWith(run: HostRun, cleanup: Cleanup): Promise<HostOutcome> {
  const workDir = await mkdtemp(join(tmpdir(), "vscode-tests-"));
  const logFile = join(workDir, "mocha.log");
  const resultFile = join(workDir, "result.json");
  const folder = resolve(run.folder ?? join(workDir, "workspace"));
  await mkdir(folder, { recursive: true });
  const said: string[] = [];
  const say = (type: string, text: string) => {
    said.push(`[${type}] ${text}`);
    if (run.verbose === true) {
      console.log(said.at(-1));
    }
  };

  if (run.artifacts !== undefined) {
    await rm(run.artifacts, { recursive: true, force: true });
    await mkdir(run.artifacts, { recursive: true });
  }
  cleanup.defer(() => rm(workDir, { recursive: true, force: true, maxRetries: 3 }));
  const follower = await followFile(logFile);
  cleanup.defer(() => follower.stop());
  const server = await startVsCode({
    workDir,
    driver: true,
    env: {
      ...run.env,
      [variables.log]: logFile,
      [variables.result]: resultFile,
      ...(run.grep === undefined ? {} : { [variables.grep]: run.grep }),
    },
    ...(run.settings === undefined ? {} : { settings: run.settings }),
  });
  cleanup.defer(async () => {
    await server.stop();
    if (run.artifacts !== undefined) {
      await writeFile(join(run.artifacts, "console.log"), said.join("\n"));
      await cp(join(workDir, "server.log"), join(run.artifacts, "server.log"));
      // Of the extension host, with every OutputChannel.
      await cp(join(workDir, "user-data/logs"), join(run.artifacts, "logs"), {
        recursive: true,
        force: true,
      });
    }
  });
  const browser = await launchBrowser(join(workDir, "profile"));
  cleanup.defer(() => browser.close());
  const page = browser.pages()[0] ?? (await browser.newPage());

  const ended = Promise.withResolvers<unknown>();
  // The workbench calls it, where a page has it, when the suite has ended.
  await page.exposeFunction("codeAutomationExit", (code: unknown) => ended.resolve(code));
  // What console.log says in the extension host arrives there, too.
  page.on("console", (message) => say(message.type(), message.text()));
  page.on("crash", () => ended.reject(new Error("the page has crashed")));
  browser.on("close", () => ended.reject(new Error("the browser has closed")));
  const { timeout = 300_000 } = run;
  const limit = setTimeout(() => ended.reject(new Error(`no result after ${timeout} ms`)), timeout);
  cleanup.defer(() => clearTimeout(limit));

  try {
    await page.goto(
      workbenchUrl(server, {
        folder,
        payload: [
          ["extensionDevelopmentPath", remoteUri(server, resolve(run.extension))],
          ["extensionTestsPath", remoteUri(server, resolve(run.tests))],
          ["skipWelcome", "true"],
        ],
      }),
    );
    const code = await Promise.race([ended.promise, server.failed]);
    // The code of a host that died is 0.
    const result = await readFile(resultFile, "utf8").catch(() => {
      throw new Error(`the extension host has ended without a result (${String(code)})`);
    });
    const { passed, failed, pending } = outcome.parse(JSON.parse(result));
    if (passed + failed === 0) {
      throw new Error("no test ran");
    }
    return { passed, failed, pending };
  } catch (error) {
    for (const line of said.filter((line) => !line.includes("builtin extensions")).slice(-20)) {
      console.error(line.split("\n", 1)[0]);
    }
    if (run.artifacts !== undefined) {
      await page.screenshot({ path: join(run.artifacts, "workbench.png") }).catch(() => undefined);
    }
    throw error;
  }
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { grep: { type: "string" }, verbose: { type: "boolean" } } });
  try {
    const { passed, failed } = await runInHost({
      extension: projectRoot,
      tests: await bundleTests(),
      artifacts: join(projectRoot, ".vscode-test/artifacts"),
      ...values,
    });
    console.log(`${passed} passed, ${failed} failed`);
    process.exitCode = failed === 0 ? 0 : 1;
  } catch (error) {
    console.error(error);
    console.log("0 passed, 1 failed");
    process.exitCode = 1;
  }
}
