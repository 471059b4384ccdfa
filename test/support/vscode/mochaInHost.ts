// Mocha inside the extension host. VS Code calls `run` of the test bundle, which ends here; the same under code-server
// (runInHost.ts) and under a downloaded VS Code (runElectron.ts).
import { appendFileSync, writeFileSync } from "node:fs";
import { format } from "node:util";

/** What the runner passes by environment; a downloaded VS Code gets `grep` alone. */
export const variables = {
  /** File that what Mocha prints is appended to. Otherwise it goes to the console. */
  log: "HOST_TESTS_LOG",
  /** File for the outcome. Without it the run has not come to its end. */
  result: "HOST_TESTS_RESULT",
  grep: "HOST_TESTS_GREP",
} as const;

export type TestFiles = readonly (readonly [name: string, load: () => Promise<unknown>])[];

/** @throws Error if a test fails; that is what VS Code takes for a failure. */
export async function runMocha(files: TestFiles): Promise<void> {
  process.setSourceMapsEnabled(true);
  const { default: Mocha } = await import("mocha");
  const log = process.env[variables.log];
  const result = process.env[variables.result];
  const grep = process.env[variables.grep];
  if (log !== undefined) {
    Mocha.reporters.Base.consoleLog = (...args: unknown[]) => appendFileSync(log, `${format(...args)}\n`);
  }
  const mocha = new Mocha({
    ui: "bdd",
    reporter: "spec",
    color: false,
    timeout: 20_000,
    forbidOnly: true,
    ...(grep === undefined ? {} : { grep }),
  });
  for (const [name, load] of files) {
    // Defines describe and it. Mocha does the same before each file that it loads itself.
    mocha.suite.emit(Mocha.Suite.constants.EVENT_FILE_PRE_REQUIRE, globalThis, name, mocha);
    await load();
  }
  const failed = await new Promise<number>((resolve) => {
    const runner = mocha.run((failures) => {
      if (result !== undefined) {
        writeFileSync(result, JSON.stringify(runner.stats));
      }
      resolve(failures);
    });
  });
  if (failed > 0) {
    throw new Error(`${failed} tests failed`);
  }
}
