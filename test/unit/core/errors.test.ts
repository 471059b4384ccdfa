import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import {
  describeError,
  errorAnswer,
  errorCodes,
  handshakeAnswer,
  isOneCliError,
  OneCliError,
  toOneCliError,
} from "../../../src/core/errors.ts";

interface Body {
  readonly error: Readonly<Record<string, string>>;
}

const field = (headers: readonly string[], name: string) => headers[headers.indexOf(name) + 1];

describe("the error table", () => {
  const statuses: Readonly<Record<string, number>> = {
    "not-connected": 424,
    "token-invalid": 424,
    "reference-not-found": 424,
    "reference-invalid": 424,
    "value-unusable": 424,
    "onepassword-rate-limited": 503,
    "onepassword-unreachable": 503,
    "insecure-request": 403,
    denied: 403,
    misdirected: 421,
    "upstream-unreachable": 502,
    "upstream-certificate": 502,
    "upstream-timeout": 504,
    "gateway-stopping": 503,
    "proxy-authentication-required": 407,
    "invalid-input": 400,
    unauthorized: 401,
    "host-not-allowed": 403,
    "origin-not-allowed": 403,
    "writes-not-allowed": 403,
    "unknown-endpoint": 404,
    "no-such-mapping": 404,
    "mappings-unwritable": 409,
    "body-too-large": 413,
    "unsupported-media-type": 415,
    "too-many-writes": 429,
  };
  for (const [code, status] of Object.entries(statuses)) {
    it(`answers ${code} with ${status}`, () => {
      const row = errorCodes.find((known) => known === code);
      assert.ok(row);
      assert.equal(describeError(row).status, status);
    });
  }

  const retryable = new Set([
    "onepassword-rate-limited",
    "onepassword-unreachable",
    "upstream-unreachable",
    "upstream-timeout",
    "gateway-stopping",
    "too-many-writes",
  ]);
  for (const code of errorCodes) {
    it(`gives ${code} a body that says what happened, the code and the fix (contract 4)`, () => {
      const { headers, body, status } = errorAnswer(new OneCliError(code, "This happened."));
      const { error } = JSON.parse(body) as Body;
      assert.equal(error["type"], "onecli_error");
      assert.equal(error["code"], code);
      assert.ok(error["message"]?.includes("This happened."));
      assert.ok(error["message"]?.includes(code));
      assert.ok(error["message"]?.includes(describeError(code).hint));
      assert.ok(error["docs"]?.endsWith(`#${code}`));
      assert.equal(field(headers, "content-type"), "application/json");
      assert.equal(field(headers, "x-onecli-error"), code);
      assert.equal(field(headers, "x-should-retry"), String(retryable.has(code)));
      assert.equal(headers.includes("retry-after"), status === 503);
    });

    it(`explains ${code} in docs/errors.md, where its body points to`, async () => {
      const page = await readFile(new URL("../../../docs/errors.md", import.meta.url), "utf8");
      assert.ok(page.split("\n").includes(`## ${code}`), `no section for ${code}`);
    });
  }

  it("rounds retry-after up to whole seconds", () => {
    const error = new OneCliError("onepassword-rate-limited", "x", { retryAfterSeconds: 41.2 });
    assert.equal(field(errorAnswer(error).headers, "retry-after"), "42");
  });
});

describe("the answer to a WebSocket handshake", () => {
  const ofTheRequest: Readonly<Record<string, number>> = {
    "insecure-request": 403,
    denied: 403,
    misdirected: 421,
    "proxy-authentication-required": 407,
    "bad-request": 400,
    "method-not-allowed": 405,
    "not-implemented": 501,
    "not-found": 404,
    "header-too-large": 431,
    "request-timeout": 408,
    // Of the management API, which has no handshakes.
    "invalid-input": 400,
    unauthorized: 401,
    "host-not-allowed": 403,
    "origin-not-allowed": 403,
    "writes-not-allowed": 403,
    "unknown-endpoint": 404,
    "no-such-mapping": 404,
    "mappings-unwritable": 409,
    "body-too-large": 413,
    "unsupported-media-type": 415,
  };
  for (const code of errorCodes) {
    const status = ofTheRequest[code] ?? 426;
    it(`is ${status} for ${code}, and otherwise as ever`, () => {
      const error = new OneCliError(code, "This happened.");
      assert.deepEqual(handshakeAnswer(error), { ...errorAnswer(error), status });
    });
  }
});

describe("an unforeseen error", () => {
  it("becomes internal and keeps its text to itself", () => {
    const error = toOneCliError(new Error("ops_secret"));
    assert.ok(isOneCliError(error, "internal"));
    assert.ok(!errorAnswer(error).body.includes("ops_secret"));
  });
});
