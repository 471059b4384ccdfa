// The table of docs/architecture.md: which folder may import what. A lint rule can be switched off by a comment; this
// reads what is really imported.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Folder of src → folders of src, and packages, that it may import. `node:*` is for those listed in `usesNode`. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  core: ["core", "zod", "tldts"],
  shared: ["shared", "core", "zod", "package.json"],
  secrets: ["secrets", "core", "zod", "@1password/sdk"],
  gateway: [
    "gateway",
    "core",
    "shared",
    "secrets",
    "lru-cache",
    "proxy-chain",
    "undici",
    "@peculiar/x509",
    "reflect-metadata",
  ],
  api: ["api", "core", "shared", "gateway", "hono", "zod", "zod-openapi"],
  doctor: ["doctor", "core", "shared", "zod"],
  headless: ["headless", "core", "shared", "gateway", "doctor", "api", "zod", "prom-client"],
  vscode: ["vscode", "core", "shared", "zod"],
  "extension.ts": ["vscode"],
  "main.ts": ["gateway", "headless", "api", "shared"],
  "webview-ui": ["webview-ui", "shared", "lit", "@vscode-elements/elements"],
};
const usesNode = new Set([
  "secrets",
  "gateway",
  "api",
  "doctor",
  "headless",
  "vscode",
  "extension.ts",
  "main.ts",
]);

/** Third-party package, or room of ours → the only files that import it. */
const importers: Readonly<Record<string, readonly string[]>> = {
  "@1password/sdk": ["src/secrets/onePassword.ts"],
  "proxy-chain": ["src/gateway/proxyServer.ts"],
  undici: ["src/gateway/accountTraffic.ts"],
  "@peculiar/x509": ["src/gateway/certificateAuthority.ts"],
  "reflect-metadata": ["src/gateway/certificateAuthority.ts"],
  tldts: ["src/core/hostname.ts"],
  hono: ["src/api/app.ts"],
  "zod-openapi": ["src/api/openApi.ts"],
  "prom-client": ["src/headless/metrics.ts"],
};

/** gateway.ts builds the sources of secrets; every other file of the gateway knows the port alone. */
const buildsSecrets = "src/gateway/gateway.ts";

const importPattern =
  /(?:^import\s+(?:[\w\s{},*$]*\bfrom\s*)?|^export\b[^;"]*\bfrom\s*|\bimport\()"([^"]+)"/gm;

/** Every import of every file, types included: they tie rooms together just as much. Paths are relative to the root. */
async function readImports(): Promise<readonly (readonly [file: string, imported: string])[]> {
  const found: [string, string][] = [];
  for (const file of await sources()) {
    const text = await readFile(join(root, file), "utf8");
    for (const [, specifier = ""] of text.matchAll(importPattern)) {
      const isOwn = specifier.startsWith(".");
      found.push([file, isOwn ? posix.join(posix.dirname(file), specifier) : specifier]);
    }
  }
  return found;
}

async function sources(): Promise<string[]> {
  const found: string[] = [];
  for (const folder of ["src", "webview-ui"]) {
    const names = await readdir(join(root, folder), { recursive: true });
    found.push(
      ...names
        .filter((name) => name.endsWith(".ts"))
        .map((name) => posix.join(folder, name.replaceAll("\\", "/"))),
    );
  }
  return found;
}

const room = (path: string) => /^(?:src\/([^/]+)|(webview-ui)\/)/.exec(path)?.slice(1).find(Boolean) ?? path;
const isOurs = (path: string) => /^(src|webview-ui)\//.test(path);
const packageOf = (path: string) => path.split("/", path.startsWith("@") ? 2 : 1).join("/");

describe("imports", () => {
  let imports: Awaited<ReturnType<typeof readImports>>;
  before(async () => {
    imports = await readImports();
  });

  it("are found at all", () => {
    assert.ok(imports.length > 100);
    assert.ok(imports.some(([file, path]) => file === "src/gateway/accountTraffic.ts" && path === "undici"));
  });

  it("stay within the table", () => {
    const wrong = imports.filter(([file, path]) => {
      const allowed = mayImport[room(file)] ?? [];
      if (path.startsWith("node:")) {
        return !usesNode.has(room(file));
      }
      return isOurs(file) && !allowed.includes(isOurs(path) ? room(path) : packageOf(path));
    });
    assert.deepEqual(wrong, []);
  });

  it("name each third-party package in one place", () => {
    for (const [name, files] of Object.entries(importers)) {
      const found = imports.filter(([file, path]) => file.startsWith("src/") && packageOf(path) === name);
      assert.deepEqual([...new Set(found.map(([file]) => file))], files, name);
    }
  });

  it("reach the editor's API from src/vscode and extension.ts alone", () => {
    const wrong = imports.filter(
      ([file, path]) => path === "vscode" && !/^src\/(vscode\/|extension\.ts)/.test(file),
    );
    assert.deepEqual(wrong, []);
  });

  it("reach the sources of secrets from one file of the gateway", () => {
    const found = imports.filter(([file, path]) => room(file) === "gateway" && room(path) === "secrets");
    assert.deepEqual([...new Set(found.map(([file]) => file))], [buildsSecrets]);
  });
});

describe("a secret's value", () => {
  it("is revealed in one file", async () => {
    const revealing: string[] = [];
    for (const file of await sources()) {
      if ((await readFile(join(root, file), "utf8")).includes(".reveal()")) {
        revealing.push(file);
      }
    }
    assert.deepEqual(revealing, ["src/core/injection.ts"]);
  });
});
