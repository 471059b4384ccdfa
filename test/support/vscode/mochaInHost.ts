// Mocha inside the extension host. VS Code calls `run` of the test bundle, which ends here; the same under code-server
// (runInHost.ts) and under a downloaded VS Code (runElectron.ts).
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { SourceMap, type SourceMapPayload } from "node:module";
import { dirname, resolve } from "node:path";
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

/** A message may hold what looks like a file's place and is none. */
function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** A stack trace in terms of the sources. Node's own way does not work here: VS Code formats stack traces itself. */
function inSources(stack: string): string {
  const maps = new Map<string, SourceMap | undefined>();
  const mapOf = (file: string) => {
    if (!maps.has(file)) {
      const [, data] = /^\/\/# sourceMappingURL=.*base64,(.*)$/m.exec(readIfThere(file)) ?? [];
      const json = data && Buffer.from(data, "base64").toString("utf8");
      maps.set(file, json === undefined ? undefined : new SourceMap(JSON.parse(json) as SourceMapPayload));
    }
    return maps.get(file);
  };
  return stack.replace(
    /(\/[^():\n]*\.cjs):(\d+):(\d+)/g,
    (place, file: string, line: string, column: string) => {
      const origin = mapOf(file)?.findOrigin(Number(line), Number(column));
      return origin !== undefined && "fileName" in origin
        ? `${resolve(dirname(file), origin.fileName)}:${origin.lineNumber}:${origin.columnNumber}`
        : place;
    },
  );
}

/** @throws Error if a test fails; that is what VS Code takes for a failure. */
export async function runMocha(files: TestFiles): Promise<void> {
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
  const failed = await new Promise<number>((done) => {
    const runner = mocha.run((failures) => {
      if (result !== undefined) {
        writeFileSync(result, JSON.stringify(runner.stats));
      }
      done(failures);
    });
    runner.on(Mocha.Runner.constants.EVENT_TEST_FAIL, (_test, error: unknown) => {
      if (error instanceof Error && error.stack !== undefined) {
        error.stack = inSources(error.stack);
      }
    });
  });
  if (failed > 0) {
    throw new Error(`${failed} tests failed`);
  }
}
