import assert from "node:assert/strict";
import fc from "fast-check";
import { type RawHeaders } from "../../../src/core/headers.ts";
import { Http1AnswerReader } from "../../../src/gateway/http1Answer.ts";
import { MalformedMessage } from "../../../src/gateway/http1Message.ts";

interface Answer {
  head?: { status: number; reason: string; headers: RawHeaders };
  body: string;
  trailers?: RawHeaders;
}

/** Reads the bytes of a connection in pieces. */
class Reading {
  readonly answer: Answer = { body: "" };
  readonly reader = new Http1AnswerReader({
    onHead: (status, reason, headers) => {
      assert.equal(this.answer.head, undefined);
      this.answer.head = { status, reason, headers };
    },
    onData: (chunk) => (this.answer.body += chunk.toString("latin1")),
    onEnd: (trailers) => {
      assert.notEqual(this.answer.head, undefined);
      assert.equal(this.answer.trailers, undefined);
      this.answer.trailers = trailers;
    },
  });

  constructor(method = "GET") {
    this.reader.expect(method);
  }

  read(...pieces: readonly string[]): this {
    for (const piece of pieces) {
      const bytes = Buffer.from(piece, "latin1");
      this.reader.read(bytes);
      // What was read is used again for something else.
      bytes.fill("!");
    }
    return this;
  }
}

const read = (text: string, method?: string) => new Reading(method).read(text);
const latin1 = fc
  .uint8Array({ minLength: 1, maxLength: 40 })
  .map((bytes) => Buffer.from(bytes).toString("latin1"));
const head = (...lines: string[]) => [...lines, "", ""].join("\r\n");
const ok = (...fields: string[]) => head("HTTP/1.1 200 OK", ...fields);

describe("an answer of HTTP/1.1", () => {
  it("has its fields as they were written, without the blanks around their values", () => {
    const { answer } = read(ok("X-One:  a \t b\t ", "x-ONE:", "Content-Length: 0", "X-Latin: \xe4\xff"));
    assert.deepEqual(answer, {
      head: {
        status: 200,
        reason: "OK",
        headers: ["X-One", "a \t b", "x-ONE", "", "Content-Length", "0", "X-Latin", "\xe4\xff"],
      },
      body: "",
      trailers: [],
    });
  });

  it("may have no reason", () => {
    for (const line of ["HTTP/1.1 204", "HTTP/1.1 204 "]) {
      assert.deepEqual(read(head(line)).answer.head, { status: 204, reason: "", headers: [] });
    }
  });

  it("comes after any number of interim answers", () => {
    const { answer } = read(
      head("HTTP/1.1 100 Continue") + head("HTTP/1.1 103 Early", "Link: x") + ok("Content-Length: 1") + "x",
    );
    assert.deepEqual([answer.head?.status, answer.body], [200, "x"]);
  });

  it("has no body after HEAD, and with 204 and 304, whatever its length says", () => {
    assert.deepEqual(read(ok("Content-Length: 5"), "HEAD").answer.trailers, []);
    assert.deepEqual(read(ok("Transfer-Encoding: chunked"), "HEAD").answer.trailers, []);
    for (const status of [204, 304]) {
      assert.deepEqual(read(head(`HTTP/1.1 ${status} x`, "Content-Length: 5")).answer.trailers, []);
    }
  });

  it("has a body in chunks, with extensions, and fields behind it", () => {
    const { answer } = read(
      `${ok("Transfer-Encoding: Chunked")}3;a="b"\r\nabc\r\n0A \r\n0123456789\r\n000\r\nX-Sum: 1\r\nx: \r\n\r\n`,
    );
    assert.deepEqual([answer.body, answer.trailers], ["abc0123456789", ["X-Sum", "1", "x", ""]]);
  });

  it("without a length ends with its connection", () => {
    const reading = read(`${ok()}abc`);
    assert.equal(reading.answer.trailers, undefined);
    assert.equal(reading.reader.finish(), true);
    assert.deepEqual([reading.answer.body, reading.answer.trailers], ["abc", []]);
  });

  it("is not whole where its connection ends before it", () => {
    const whole = `${ok("Transfer-Encoding: chunked")}1\r\nx\r\n0\r\n\r\n`;
    for (let end = 0; end < whole.length; end++) {
      assert.equal(read(whole.slice(0, end)).reader.finish(), false, `after ${end} bytes`);
    }
    assert.equal(read(`${ok("Content-Length: 3")}ab`).reader.finish(), false);
  });

  it("says whether its connection may be used again", () => {
    const kept = (text: string) => read(text).reader.keepAlive;
    assert.equal(kept(ok("Content-Length: 0")), true);
    assert.equal(kept(ok("Content-Length: 0", "Connection: x, Close")), false);
    assert.equal(kept(ok("Connection: keep-alive")), false);
    assert.equal(kept(head("HTTP/1.0 200 OK", "Content-Length: 0")), false);
    assert.equal(kept(head("HTTP/1.0 200 OK", "Content-Length: 0", "Connection: Keep-Alive")), true);
  });

  it("is the same however its bytes come", () => {
    const field = fc
      .tuple(
        fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,8}$/),
        fc.stringMatching(/^([!-~\xa0-\xff]([ -~]{0,6}[!-~])?)?$/),
      )
      .filter(([name]) => !/^(content-length|transfer-encoding|connection)$/i.test(name));
    const body = fc.array(latin1, { maxLength: 4 });
    const message = fc.tuple(fc.array(field), body, fc.array(field, { maxLength: 2 }), fc.boolean());
    fc.assert(
      fc.property(message, fc.array(fc.nat({ max: 60 })), ([fields, chunks, trailers, isChunked], cuts) => {
        const lines = fields.map(([name, value]) => `${name}: ${value}`);
        const text = isChunked
          ? ok(...lines, "Transfer-Encoding: chunked") +
            chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("") +
            head("0", ...trailers.map(([name, value]) => `${name}: ${value}`))
          : ok(...lines, `Content-Length: ${chunks.join("").length}`) + chunks.join("");
        const reading = new Reading();
        let rest = text;
        for (const cut of cuts) {
          reading.read(rest.slice(0, cut));
          rest = rest.slice(cut);
        }
        const { answer } = reading.read(rest);
        assert.deepEqual(answer.head?.headers.slice(0, -2), fields.flat());
        assert.equal(answer.body, chunks.join(""));
        assert.deepEqual(answer.trailers, isChunked ? trailers.flat() : []);
      }),
    );
  });

  const length = "Content-Length: 1";
  const chunked = ok("Transfer-Encoding: chunked");
  const malformed: readonly (readonly [what: string, text: string])[] = [
    ["another protocol", "SSH-2.0-x"],
    ["HTTP/2", head("HTTP/2 200 OK")],
    ["HTTP/1.2", head("HTTP/1.2 200 OK")],
    ["a status of two digits", head("HTTP/1.1 20 OK")],
    ["a status of 0xx", head("HTTP/1.1 099 OK")],
    ["a blank line before it", `\r\n${ok(length)}x`],
    ["line feeds alone", "HTTP/1.1 200 OK\nContent-Length: 0\n\r\n\r\n"],
    ["a carriage return in a field", ok("x: a\rb", length)],
    ["NUL in a field", ok("x: a\0b", length)],
    ["a field without a colon", ok("x", length)],
    ["a field without a name", ok(": x", length)],
    ["a blank before the colon", ok("x : y", length)],
    ["a folded field", ok("x: y", " z", length)],
    ["two lengths", ok(length, length)],
    ["a list of lengths", ok("Content-Length: 1, 1")],
    ["a length with a sign", ok("Content-Length: +1")],
    ["a length of no digits", ok("Content-Length: ")],
    ["a length that is too large", ok("Content-Length: 9999999999999999")],
    ["a length and chunks", ok("Transfer-Encoding: chunked", length)],
    ["chunks in HTTP/1.0", head("HTTP/1.0 200 OK", "Transfer-Encoding: chunked")],
    ["another transfer coding", ok("Transfer-Encoding: gzip, chunked")],
    ["chunks twice", ok("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")],
    ["a switch of protocols", head("HTTP/1.1 101 x", "Upgrade: y")],
    ["bytes behind its end", `${ok(length)}xy`],
    ["a second answer", ok("Content-Length: 0") + ok("Content-Length: 0")],
    ["a chunk without a size", `${chunked}\r\n`],
    ["a chunk of a negative size", `${chunked}-1\r\n`],
    ["a chunk's size with 0x", `${chunked}0x1\r\nx\r\n`],
    ["a chunk's size that is too large", `${chunked}ffffffffffffff\r\n`],
    ["a chunk that is longer than its size", `${chunked}1\r\nxy\r\n`],
    ["a chunk's line without an end", `${chunked}1;${"x".repeat(5000)}`],
    ["a control character in a chunk's extension", `${chunked}1;\n0\r\nx\r\n`],
    ["trailers without an end", `${chunked}0\r\n${"x: y\r\n".repeat(20_000)}`],
    ["a head without an end", `HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(20_000)}`],
    ["a head that is too large", ok(`x: ${"y".repeat(70_000)}`, length)],
  ];
  for (const [what, text] of malformed) {
    it(`is refused with ${what}`, () => {
      assert.throws(() => read(text), MalformedMessage);
    });
  }

  it("is refused where nobody asked", () => {
    const reading = read(ok("Content-Length: 0"));
    assert.throws(() => reading.read("x"), MalformedMessage);
  });
});
