import assert from "node:assert/strict";
import fc from "fast-check";
import { isOneCliError } from "../../../src/core/errors.ts";
import { http1Head } from "../../../src/gateway/http1RequestHead.ts";
import { UploadBody } from "../../../src/gateway/uploadBody.ts";
import { type UpstreamRequest } from "../../../src/gateway/upstreamRequest.ts";

const request = (changes: Partial<UpstreamRequest> = {}): UpstreamRequest => ({
  scheme: "https",
  authority: { host: "api.example.com", port: 443, isAddress: false },
  method: "GET",
  path: "/a?b",
  host: "api.example.com",
  headers: ["X-Odd", "two  blanks"],
  body: null,
  webSocketKey: undefined,
  ...changes,
});
const body = () =>
  new UploadBody({
    resume: () => undefined,
    trailers: () => [],
    announcesTrailers: false,
  });
const lines = (changes: Partial<UpstreamRequest> = {}) => http1Head(request(changes)).text.split("\r\n");
const common = ["host: api.example.com", "connection: keep-alive", "X-Odd: two  blanks"];

describe("the head of a request by HTTP/1.1", () => {
  it("has the request's fields as they are", () => {
    assert.deepEqual(lines(), ["GET /a?b HTTP/1.1", ...common, "", ""]);
  });

  it("says how long the body is, once", () => {
    const headers = ["X-Odd", "two  blanks", "Content-Length", "3", "content-length", "3"];
    const known = request({ method: "POST", headers: headers.slice(0, 4), body: body() });
    assert.deepEqual(http1Head(known), {
      text: ["POST /a?b HTTP/1.1", ...common, "content-length: 3", "", ""].join("\r\n"),
      bodyLength: 3,
    });
    const unknown = http1Head(request({ method: "POST", body: body() }));
    assert.equal(unknown.bodyLength, undefined);
    assert.match(unknown.text, /\r\ntransfer-encoding: chunked\r\n\r\n$/);
    assert.throws(
      () => http1Head(request({ headers, body: body() })),
      (error) => isOneCliError(error, "bad-request"),
    );
  });

  it("tells of a body's absence where one is expected", () => {
    for (const method of ["POST", "PUT", "PATCH"]) {
      assert.deepEqual(lines({ method }).slice(-3), ["content-length: 0", "", ""]);
    }
    assert.deepEqual(lines({ method: "DELETE", headers: ["Content-Length", "0"] }).slice(1), [
      "host: api.example.com",
      "connection: keep-alive",
      "",
      "",
    ]);
  });

  it("holds what it was given and nothing else, or is refused", () => {
    const text = fc.oneof(
      fc.string(),
      fc.uint8Array().map((bytes) => Buffer.from(bytes).toString("latin1")),
      fc.constantFrom("a\r\nb: c", "/ HTTP/1.1", "a\nb", ""),
    );
    fc.assert(
      fc.property(text, text, text, text, (method, path, name, value) => {
        let head: string;
        try {
          head = http1Head(request({ method, path, headers: [name, value] })).text;
        } catch (error) {
          assert.ok(isOneCliError(error, "bad-request"));
          return;
        }
        const [first, , , ...rest] = head.split("\r\n");
        assert.equal(first, `${method} ${path} HTTP/1.1`);
        assert.equal(first.split(" ").length, 3);
        const field = /^content-length$/i.test(name) ? [] : [`${name}: ${value}`];
        const length = ["POST", "PUT", "PATCH"].includes(method) ? ["content-length: 0"] : [];
        assert.deepEqual(rest, [...field, ...length, "", ""]);
      }),
    );
  });
});
