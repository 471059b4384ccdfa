// One package, as the registries of npm, PyPI, crates.io and Go would serve it.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { zip } from "./zip.ts";

type Served = { readonly type: string; readonly content: string | Buffer };

const version = "1.0.0";

/** Path → what is served there. */
export async function packageFiles(origin: string): Promise<ReadonlyMap<string, Served>> {
  const tarball = await tar({
    "package/package.json": JSON.stringify({ name: "greeting", version, main: "index.js" }),
    "package/index.js": 'module.exports = "Hello from npm.";\n',
  });
  const wheelName = `greeting-${version}-py3-none-any.whl`;
  const info = `greeting-${version}.dist-info`;
  const wheel = zip({
    "greeting.py": 'text = "Hello from PyPI."\n',
    [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: greeting\nVersion: ${version}\n`,
    [`${info}/WHEEL`]: "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    [`${info}/RECORD`]: `greeting.py,,\n${info}/METADATA,,\n${info}/WHEEL,,\n${info}/RECORD,,\n`,
  });
  const crate = await tar({
    [`greeting-${version}/Cargo.toml`]: `[package]\nname = "greeting"\nversion = "${version}"\nedition = "2021"\n`,
    [`greeting-${version}/src/lib.rs`]: 'pub const TEXT: &str = "Hello from crates.";\n',
  });
  const module = `hello.example/greeting@v${version}`;
  const goMod = "module hello.example/greeting\n\ngo 1.18\n";
  const goZip = zip({
    [`${module}/go.mod`]: goMod,
    [`${module}/greeting.go`]: 'package greeting\n\nconst Text = "Hello from Go."\n',
  });
  const json = (value: unknown): Served => ({ type: "application/json", content: JSON.stringify(value) });
  const binary = (content: Buffer): Served => ({ type: "application/octet-stream", content });
  const text = (content: string): Served => ({ type: "text/plain", content });
  const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
  return new Map<string, Served>([
    [
      "/npm/greeting",
      json({
        name: "greeting",
        "dist-tags": { latest: version },
        versions: {
          [version]: {
            name: "greeting",
            version,
            dist: { tarball: `${origin}/npm/greeting/-/greeting-${version}.tgz`, integrity },
          },
        },
      }),
    ],
    [`/npm/greeting/-/greeting-${version}.tgz`, binary(tarball)],
    [
      "/pypi/simple/greeting/",
      { type: "text/html", content: `<!DOCTYPE html><a href="/pypi/files/${wheelName}">${wheelName}</a>` },
    ],
    [`/pypi/files/${wheelName}`, binary(wheel)],
    ["/crates/config.json", json({ dl: `${origin}/crates/dl` })],
    [
      "/crates/gr/ee/greeting",
      text(
        `${JSON.stringify({
          name: "greeting",
          vers: version,
          deps: [],
          cksum: createHash("sha256").update(crate).digest("hex"),
          features: {},
          yanked: false,
        })}\n`,
      ),
    ],
    [`/crates/dl/greeting/${version}/download`, binary(crate)],
    [`/go/hello.example/greeting/@v/list`, text(`v${version}\n`)],
    [`/go/hello.example/greeting/@v/v${version}.info`, json({ Version: `v${version}` })],
    [`/go/hello.example/greeting/@v/v${version}.mod`, text(goMod)],
    [`/go/hello.example/greeting/@v/v${version}.zip`, binary(goZip)],
    ["/deno/greeting.ts", { type: "text/typescript", content: 'console.log("Hello from Deno.");\n' }],
  ]);
}

/** A gzipped tar archive. */
async function tar(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), "onecli-tar-"));
  try {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), content);
    }
    const program = spawn("tar", ["-czf", "-", ...Object.keys(files)], {
      cwd: folder,
      stdio: ["ignore", "pipe", "inherit"],
    });
    return await buffer(program.stdout);
  } finally {
    await rm(folder, { recursive: true });
  }
}
