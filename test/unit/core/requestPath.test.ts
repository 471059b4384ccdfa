import assert from "node:assert/strict";
import { parsePathPrefix, PathError, readPath } from "../../../src/core/requestPath.ts";

describe("the path of a mapping", () => {
  for (const [text, canonical] of [
    ["/", "/"],
    ["/v1", "/v1/"],
    ["/v1/", "/v1/"],
    ["//v1///x", "/v1/x/"],
    ["/%76%31/", "/v1/"],
    ["/a%2fb/", "/a%2Fb/"],
    ["/bücher", "/b%C3%BCcher/"],
    ["/b%c3%bccher/", "/b%C3%BCcher/"],
    ["/a;b=c/@d", "/a;b=c/@d/"],
  ] as const) {
    it(`${text} is ${canonical}, and that is read as itself`, () => {
      assert.equal(parsePathPrefix(text), canonical);
      assert.equal(parsePathPrefix(canonical), canonical);
    });
  }

  for (const [text, reason] of [
    ["", /does not start with/],
    ["v1/", /does not start with/],
    ["https://a.example/v1", /does not start with/],
    ["/v1?x", /query/],
    ["/v1#x", /fragment/],
    ["/v1/*", /star/],
    ["/v1\\x", /backslash/],
    ["/v 1", /blank/],
    ["/v1\n", /blank/],
    ["/v1/../x", /dot segment/],
    ["/v1/%2E%2e", /dot segment/],
    ["/./x", /dot segment/],
    ["/v1%2f..%5cadmin", /dot segment/],
    ["/v1/..;x/admin", /dot segment/],
    ["/%zz", /encodes nothing/],
    ["/\ud800", /Unicode/],
  ] as const) {
    it(`${JSON.stringify(text)} is refused`, () => {
      assert.throws(
        () => parsePathPrefix(text),
        (error) => error instanceof PathError && reason.test(error.message),
      );
    });
  }
});

describe("the path of a request", () => {
  for (const [target, path] of [
    ["/v1/models?x=/../y", "/v1/models/"],
    ["/v1/../admin", "/admin/"],
    ["/v1/%2e%2E/admin", "/admin/"],
    ["/v1/.%2e/%61dmin", "/admin/"],
    ["/../../v1", "/v1/"],
    ["//v1//./models//", "/v1/models/"],
    ["/%76%31", "/v1/"],
    ["/v%31/b\u00fccher", "/v1/b%FCcher/"],
    ["?x", "/"],
  ] as const) {
    it(`${target} is ${path} to everybody`, () => {
      const { strict, merged } = readPath(target);
      assert.deepEqual([strict, merged], [path, path]);
    });
  }

  for (const [target, strict, merged, lenient] of [
    ["/v1//../admin", "/v1/admin/", "/admin/", "/admin/"],
    ["/v1/..%2fadmin", "/v1/..%2Fadmin/", "/v1/..%2Fadmin/", "/admin/"],
    ["/v1/..%5cadmin", "/v1/..%5Cadmin/", "/v1/..%5Cadmin/", "/admin/"],
    ["/v1/..\\admin", "/v1/..\\admin/", "/v1/..\\admin/", "/admin/"],
    ["/v1/..;x=y/admin", "/v1/..;x=y/admin/", "/v1/..;x=y/admin/", "/admin/"],
    ["/v1/%252e%252e/admin", "/v1/%252e%252e/admin/", "/v1/%252e%252e/admin/", "/admin/"],
    ["/v1#/../admin", "/v1/", "/v1/", "/admin/"],
  ] as const) {
    it(`${target} has more readings than one`, () => {
      assert.deepEqual(readPath(target), { strict, merged, lenient });
    });
  }

  it("is read in no time, however deep its encoding", () => {
    assert.equal(readPath(`/%${"25".repeat(30_000)}2e`).lenient.length > 10_000, true);
  });
});
