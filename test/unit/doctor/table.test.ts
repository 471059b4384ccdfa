import assert from "node:assert/strict";
import { type Report, reportSchema } from "../../../src/shared/doctorReport.ts";
import { cellsOf, failed, none, ok } from "../../../src/doctor/report.ts";
import { formatReport } from "../../../src/doctor/table.ts";

const report: Report = {
  product: "OneCLI Doctor",
  version: "1.2.3",
  ok: false,
  problems: 2,
  environment: [
    { name: "gateway", cell: ok },
    { name: "HTTPS_PROXY", cell: failed("HTTPS_PROXY leads elsewhere.", "Open a new terminal.") },
  ],
  tools: [
    { name: "curl", program: "/usr/bin/curl", version: "8.1.0", cells: cellsOf({ sse: none("no") }, ok) },
    {
      name: "a-longer-name",
      program: "/bin/x",
      version: null,
      cells: cellsOf(
        { proxy: { state: "ok", as: "by options" }, ca: failed("It is so.", "Do that.") },
        none("-"),
      ),
    },
    { name: "gh", program: null, version: null, cells: cellsOf({}, none("gh is not on the PATH")) },
    { name: "httpx", program: null, version: null, cells: cellsOf({}, none("not installed")) },
  ],
  notes: ["A note that is long enough to be broken into more lines than a single one of them."],
};

describe("the doctor's table", () => {
  const plain = formatReport(report, { colour: false, width: 76 });

  it("is aligned, and shows each cell by a word", () => {
    const lines = plain.split("\n");
    const head = lines.find((line) => line.startsWith("TOOL"))!;
    const curl = lines.find((line) => line.startsWith("curl"))!;
    const other = lines.find((line) => line.startsWith("a-longer-name"))!;
    for (const [title, of, text] of [
      ["PROXY", curl, "ok"],
      ["SSE", curl, "–"],
      ["PROXY", other, "by options"],
      ["CA", other, "FAILED"],
      ["H2", other, "–"],
    ] as const) {
      assert.equal(of.slice(head.indexOf(title)).startsWith(text), true, `${title}: ${of}`);
    }
  });

  it("has a cause and a fix for every red cell, and nothing wider than the terminal", () => {
    assert.match(plain, /HTTPS_PROXY: HTTPS_PROXY leads elsewhere\.\n {4}→ Open a new terminal\.\n/);
    assert.match(plain, /a-longer-name, CA: It is so\.\n {4}→ Do that\.\n/);
    assert.match(plain, /\n2 problems\.\n$/);
    for (const line of plain.split("\n")) {
      assert.ok(line.length <= 76, line);
    }
  });

  it("lists what was not tried in one line", () => {
    assert.match(plain, /Not tried: gh, httpx \(not installed\)\./);
    assert.doesNotMatch(plain, /^gh /m);
  });

  it("is coloured only when told to", () => {
    // eslint-disable-next-line no-control-regex -- escape sequences are what is looked for.
    assert.doesNotMatch(plain, /\u001b/);
    const coloured = formatReport(report, { colour: true, width: 76 });
    assert.ok(coloured.includes("\u001b[31mFAILED"));
    // eslint-disable-next-line no-control-regex -- as above
    assert.equal(coloured.replaceAll(/\u001b\[\d+m/g, "").replaceAll(/ +$/gm, ""), plain);
  });

  it("says that all is well when it is", () => {
    const well = { ...report, ok: true, environment: [], tools: [] };
    assert.match(formatReport(well, { colour: false, width: 80 }), /\nAll is well\.\n$/);
  });

  it("has a form for machines", () => {
    assert.deepEqual(reportSchema.parse(JSON.parse(JSON.stringify(report))), report);
  });
});
