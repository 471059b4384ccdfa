import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { whereSet } from "../../../src/doctor/startupFiles.ts";

describe("a shell's startup files", () => {
  let home: string;
  before(async () => {
    home = await mkdtemp(join(tmpdir(), "onecli-home-"));
    await mkdir(join(home, ".config/fish"), { recursive: true });
    await mkdir(join(home, ".config/powershell"), { recursive: true });
    await writeFile(
      join(home, ".bashrc"),
      "# export HTTPS_PROXY=http://old\nexport MY_HTTPS_PROXY=x\necho $HTTPS_PROXY\nif true; then export HTTPS_PROXY=http://corp:1; fi\n",
    );
    await writeFile(join(home, ".zshrc"), "unset SSL_CERT_FILE PIP_CERT\n");
    await writeFile(join(home, ".config/fish/config.fish"), "set -gx NO_PROXY '*'\n");
    await writeFile(join(home, ".config/powershell/profile.ps1"), "$env:https_proxy = 'http://corp:1'\n");
  });
  after(() => rm(home, { recursive: true }));

  const expected: Readonly<Record<string, readonly string[]>> = {
    HTTPS_PROXY: ["~/.bashrc, line 4", "~/.config/powershell/profile.ps1, line 1"],
    PIP_CERT: ["~/.zshrc, line 1"],
    NO_PROXY: ["~/.config/fish/config.fish, line 1"],
    CARGO_HTTP_CAINFO: [],
  };
  for (const [name, places] of Object.entries(expected)) {
    it(`show where ${name} is set or taken away`, async () => {
      assert.deepEqual(await whereSet(name, { HOME: home }), places);
    });
  }

  it("are looked for without a home, too", async () => {
    assert.deepEqual(await whereSet("ONECLI_NOBODY_SETS_THIS", {}), []);
  });
});
