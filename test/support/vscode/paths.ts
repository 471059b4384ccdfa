// Where the tests in a real VS Code keep their things. Nothing of it is committed.
import { resolve } from "node:path";

export const projectRoot = resolve(import.meta.dirname, "../../..");

/** Downloads that outlive a run: code-server, the browser. */
export const cacheFolder = resolve(projectRoot, ".vscode-test");

/** Test bundles. */
export const bundleFolder = resolve(projectRoot, "dist-test");
