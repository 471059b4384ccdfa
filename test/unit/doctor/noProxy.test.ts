import assert from "node:assert/strict";
import { entriesHidingTheEcho } from "../../../src/doctor/environment.ts";
import { entriesCovering } from "../../../src/doctor/noProxy.ts";

describe("NO_PROXY", () => {
  const host = "api.openai.com";
  const covering = [
    "*",
    "openai.com",
    ".openai.com",
    "*.openai.com",
    "API.OpenAI.com",
    "api.openai.com:443",
    ".com",
  ];
  for (const entry of covering) {
    it(`with ${entry} covers ${host}`, () => {
      assert.deepEqual(entriesCovering(host, `localhost, ${entry} ,::1`), [entry]);
    });
  }
  for (const entry of [
    "",
    "penai.com",
    "api.openai.com:80",
    "v1.api.openai.com",
    "127.0.0.1",
    "10.0.0.0/8",
    ".",
  ]) {
    it(`with ${JSON.stringify(entry)} does not cover ${host}`, () => {
      assert.deepEqual(entriesCovering(host, `localhost,${entry}`), []);
    });
  }

  it("of a company may hide the doctor's own hosts; a star is left for the tools to meet", () => {
    assert.deepEqual([...new Set(entriesHidingTheEcho("*,.internal,corp.example"))], [".internal"]);
  });
});
