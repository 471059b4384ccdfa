import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { shellCommand } from "../../../src/vscode/shellCommand.ts";
import { isInstalled } from "../../support/program.ts";

const print = "process.stdout.write(JSON.stringify([process.env.MARK, ...process.argv.slice(1)]))";
const awkward = ["plain", "two words", "it's", "a\\b", '$HOME `x` "q" %PATH% !1 ; & | <>', "ü‘’"];

describe("a command line", () => {
  for (const shell of ["sh", "bash", "dash", "zsh", "fish", "pwsh"]) {
    it(`reaches the program through ${shell} as it was meant`, async function () {
      if (!(await isInstalled(shell))) {
        this.skip();
      }
      const line = shellCommand(shell, { MARK: "1" }, [process.execPath, "-e", print, ...awkward]);
      const { stdout } = await promisify(execFile)(shell, ["-c", line]);
      assert.deepEqual(JSON.parse(stdout), ["1", ...awkward]);
    });
  }

  it("is written for PowerShell and cmd in their own ways, and leaves the variable behind in neither", () => {
    const command = ["C:\\Program Files\\Code.exe", "C:\\it's\\gateway.js", "doctor"];
    assert.equal(
      shellCommand("powershell.exe", { RUN: "1" }, command),
      "$env:RUN = '1'; & 'C:\\Program Files\\Code.exe' 'C:\\it''s\\gateway.js' 'doctor'; Remove-Item Env:RUN",
    );
    assert.equal(
      shellCommand("cmd.exe", { RUN: "1" }, command),
      'set "RUN=1"& "C:\\Program Files\\Code.exe" "C:\\it\'s\\gateway.js" "doctor"& set "RUN="',
    );
  });
});
