import assert from "node:assert/strict";
import { lastWords } from "../../../src/doctor/words.ts";

describe("what a program said", () => {
  it("is its last line, without colours, stack frames and credentials", () => {
    const text =
      "first\n\u001b[31merror:\u001b[0m no way to http://user:hunter2@127.0.0.1:1/ with c2VjcmV0\u0007\n    at x (y.js:1)\n\t... 6 more\n\n";
    assert.equal(lastWords(text, ["c2VjcmV0", ""]), "error: no way to http://…@127.0.0.1:1/ with …");
  });

  it("is the fault of curl and not the advice behind it", () => {
    const text =
      "curl: (60) SSL certificate problem\nMore details here: https://curl.se/docs/sslcerts.html\n";
    assert.equal(lastWords(text), "curl: (60) SSL certificate problem");
  });

  it("is short", () => {
    assert.equal(lastWords("x".repeat(10_000)).length, 300);
    assert.equal(lastWords(""), "");
  });
});
