import assert from "node:assert/strict";
import fc from "fast-check";
import { type RawHeaders } from "../../../src/core/headers.ts";
import { MalformedMessage, MessageReader } from "../../../src/gateway/http1Message.ts";
import {
  asksForWebSocket,
  expectsContinue,
  http1Request,
  type Http1RequestHead,
  refuseOtherProtocol,
} from "../../../src/gateway/http1Request.ts";

interface Request {
  readonly head: Http1RequestHead;
  body: string;
  trailers?: RawHeaders;
}

/** Reads the bytes of a connection in pieces. */
class Reading {
  readonly requests: Request[] = [];
  readonly reader = new MessageReader(
    {
      onHead: (line, headers) => {
        const head = http1Request(line, headers);
        this.requests.push({ head, body: "" });
        return head.framing;
      },
      onData: (chunk) => {
        this.requests.at(-1)!.body += chunk.toString("latin1");
      },
      onEnd: (trailers) => {
        assert.equal(this.requests.at(-1)!.trailers, undefined);
        this.requests.at(-1)!.trailers = trailers;
        this.onEnd();
      },
      onPartOfHead: refuseOtherProtocol,
    },
    { skipsEmptyLines: true },
  );
  readonly onEnd: () => void;

  constructor(onEnd = () => this.reader.expect()) {
    this.onEnd = onEnd;
    this.reader.expect();
  }

  read(...pieces: readonly string[]): this {
    for (const piece of pieces) {
      this.reader.read(Buffer.from(piece, "latin1"));
    }
    return this;
  }
}

const read = (text: string) => new Reading().read(text).requests;
const lines = (...all: string[]) => [...all, "", ""].join("\r\n");
const get = (...fields: string[]) => lines("GET / HTTP/1.1", ...fields);
const post = (...fields: string[]) => lines("POST / HTTP/1.1", ...fields);
const headOf = (text: string) => read(text)[0]!.head;

describe("a request of HTTP/1.1", () => {
  it("has its target and its fields as they were written", () => {
    const [request] = read(
      lines("GET //a/../%7e?b=|&c HTTP/1.1", "X-One:  a \t b\t ", "x-ONE:", "X: \xe4\xff"),
    );
    assert.deepEqual(request, {
      head: {
        method: "GET",
        target: "//a/../%7e?b=|&c",
        isHttp11: true,
        headers: ["X-One", "a \t b", "x-ONE", "", "X", "\xe4\xff"],
        framing: 0,
        keepAlive: true,
      },
      body: "",
      trailers: [],
    });
  });

  it("may come behind empty lines", () => {
    assert.equal(read(`\r\n\r\n${get()}\r\n${get()}`).length, 2);
  });

  it("has a body of its length, or in chunks with fields behind them", () => {
    const [first, second, third] = read(
      `${post("Content-Length: 3")}abc${post("Transfer-Encoding: CHUNKED")}3;x="y"\r\nabc\r\n0\r\nX: y\r\n\r\n${get()}`,
    );
    assert.deepEqual([first?.body, first?.trailers], ["abc", []]);
    assert.deepEqual([second?.body, second?.trailers], ["abc", ["X", "y"]]);
    assert.equal(third?.head.method, "GET");
  });

  it("says whether its connection may be used again", () => {
    assert.equal(headOf(get("Connection: x, Close")).keepAlive, false);
    assert.equal(headOf(get("Connection: keep-alive, close")).keepAlive, false);
    assert.equal(headOf(lines("GET / HTTP/1.0")).keepAlive, false);
    assert.equal(headOf(lines("GET / HTTP/1.0", "Connection: Keep-Alive")).keepAlive, true);
  });

  it("asks for a WebSocket with both of its fields, and by GET alone", () => {
    const asks = (text: string) => asksForWebSocket(headOf(text));
    const fields = ["Connection: keep-alive, Upgrade", "Upgrade: WebSocket"];
    assert.equal(asks(get(...fields)), true);
    assert.equal(asks(get("Upgrade: h2c", ...fields)), true);
    assert.equal(asks(get("Upgrade: websocket")), false);
    assert.equal(asks(get("Connection: upgrade", "Upgrade: websockets")), false);
    assert.equal(asks(post(...fields)), false);
    assert.equal(asks(lines("GET / HTTP/1.0", ...fields)), false);
    assert.equal(asks(get(...fields, "Content-Length: 1")), false);
  });

  it("waits for a word before its body where it says so", () => {
    const waits = (text: string) => expectsContinue(headOf(text));
    assert.equal(waits(post("Expect: 100-Continue", "Content-Length: 1")), true);
    assert.equal(waits(post("Expect: 100-continue")), false);
    assert.equal(waits(post("Expect: 200-ok", "Content-Length: 1")), false);
    assert.equal(waits(lines("POST / HTTP/1.0", "Expect: 100-continue", "Content-Length: 1")), false);
  });

  it("is the same however its bytes come", () => {
    const field = fc
      .tuple(
        fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,8}$/),
        fc.stringMatching(/^([!-~\xa0-\xff]([ -~]{0,6}[!-~])?)?$/),
      )
      .filter(([name]) => !/^(content-length|transfer-encoding|connection)$/i.test(name))
      .map(([name, value]) => `${name}: ${value}`);
    const body = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString("latin1"));
    const request = fc.tuple(fc.array(field), body, fc.boolean()).map(([fields, text, isChunked]) => {
      const chunk = text === "" ? "" : `${text.length.toString(16)}\r\n${text}\r\n`;
      return isChunked
        ? `${post(...fields, "Transfer-Encoding: chunked")}${chunk}${lines("0", ...fields)}`
        : `${post(...fields, `Content-Length: ${text.length}`)}${text}`;
    });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 4 }), fc.array(fc.nat({ max: 60 })), (requests, cuts) => {
        const text = requests.join("");
        const whole = read(text);
        assert.equal(whole.length, requests.length);
        assert.ok(whole.every(({ trailers }) => trailers !== undefined));
        const reading = new Reading();
        let rest = text;
        for (const cut of cuts) {
          reading.read(rest.slice(0, cut));
          rest = rest.slice(cut);
        }
        assert.deepEqual(reading.read(rest).requests, whole);
        // And where the next one is looked at later.
        const paused = new Reading(() => paused.reader.pause());
        paused.read(text);
        for (let index = 1; index < requests.length; index++) {
          assert.equal(paused.requests.length, index);
          paused.reader.expect();
          paused.reader.resume();
        }
        assert.deepEqual(paused.requests, whole);
        assert.equal(paused.reader.bytesBehind, 0);
      }),
    );
  });

  it("knows the end of a connection between requests from one within", () => {
    const whole = `${post("Transfer-Encoding: chunked")}1\r\nx\r\n0\r\n\r\n`;
    for (let end = 1; end < whole.length; end++) {
      assert.equal(new Reading().read(whole.slice(0, end)).reader.finish(), "within", `after ${end} bytes`);
    }
    assert.equal(new Reading().reader.finish(), "between");
    assert.equal(new Reading().read(whole).reader.finish(), "between");
  });

  const length = "Content-Length: 1";
  const chunked = post("Transfer-Encoding: chunked");
  const malformed: readonly (readonly [what: string, text: string])[] = [
    ["another protocol", "\x16\x03\x01"],
    ["a greeting in lower case", "ssh-2.0"],
    ["a method that there is not", lines("FOO / HTTP/1.1")],
    ["a method in lower case", lines("get / HTTP/1.1")],
    ["no target", lines("GET HTTP/1.1")],
    ["an empty target", lines("GET  HTTP/1.1")],
    ["two blanks before its target", lines("GET  / HTTP/1.1")],
    ["a blank in its target", lines("GET /a b HTTP/1.1")],
    ["a tab in its line", lines("GET\t/ HTTP/1.1")],
    ["bytes above ASCII in its target", lines("GET /caf\xe9 HTTP/1.1")],
    ["a backslash in what names a host", lines("GET https://a\\@b/ HTTP/1.1")],
    ["blanks behind its version", lines("GET / HTTP/1.1 ")],
    ["no version", lines("GET /")],
    ["HTTP/0.9", lines("GET / HTTP/0.9")],
    ["HTTP/1.2", lines("GET / HTTP/1.2")],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["a blank at its start", ` ${get()}`],
    ["line feeds alone", "GET / HTTP/1.1\nHost: x\n"],
    ["a line feed alone behind a field", "GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n"],
    ["a line feed alone before it", `\n${get()}`],
    ["a carriage return in a field", get("x: a\rb")],
    ["NUL in a field", get("x: a\0b")],
    ["DEL in a field", get("x: a\x7fb")],
    ["a field without a colon", get("x")],
    ["a field without a name", get(": x")],
    ["a blank before the colon", get("x : y")],
    ["a folded field", get("x: y", " z")],
    ["a folded field at the start", get(" x: y")],
    ["bytes above ASCII in a name", get("\xe4: y")],
    ["two lengths", post(length, "Content-Length: 2")],
    ["the same length twice", post(length, length)],
    ["a list of lengths", post("Content-Length: 1, 1")],
    ["a length with a sign", post("Content-Length: +1")],
    ["a length in hexadecimal", post("Content-Length: 0x1")],
    ["a length of no digits", post("Content-Length: ")],
    ["a length that is too large", post("Content-Length: 9999999999999999")],
    ["a length and chunks", post("Transfer-Encoding: chunked", length)],
    ["chunks in HTTP/1.0", lines("POST / HTTP/1.0", "Transfer-Encoding: chunked")],
    ["a body without an end", post("Transfer-Encoding: gzip")],
    ["a body whose chunks are coded", post("Transfer-Encoding: chunked, gzip")],
    ["a coding that looks like chunks", post("Transfer-Encoding: xchunked")],
    ["chunks with a vertical tab", post("Transfer-Encoding: \x0bchunked")],
    ["a chunk without a size", `${chunked}\r\n`],
    ["a chunk of a negative size", `${chunked}-1\r\n`],
    ["a chunk's size with 0x", `${chunked}0x1\r\nx\r\n`],
    ["a chunk's size that is too large", `${chunked}${"f".repeat(14)}`],
    ["a chunk's size behind a blank", `${chunked} 1\r\nx\r\n`],
    ["a chunk's size that ends in a line feed alone", `${chunked}1\nx\r\n`],
    ["a chunk that is longer than its size", `${chunked}1\r\nxy`],
    ["a chunk's line without an end", `${chunked}1;${"x".repeat(5000)}`],
    ["a control character in a chunk's extension", `${chunked}1;\0\r\nx\r\n`],
    ["a blank before the colon of a trailer", `${chunked}0\r\nx : y\r\n\r\n`],
    ["a length behind its body", `${chunked}0\r\n${length}\r\n\r\n`],
    ["chunks behind its body", `${chunked}0\r\nTransfer-Encoding: chunked\r\n\r\n`],
    ["chunks twice", post("Transfer-Encoding: chunked, chunked")],
    ["a tab behind a chunk's size", `${chunked}1\t\r\nx\r\n`],
    ["a comma in a chunk's extension", `${chunked}1;a,b\r\nx\r\n`],
    ["a target that is neither a path nor a URL", lines("GET example.com HTTP/1.1")],
    ["trailers without an end", `${chunked}0\r\n${"x: y\r\n".repeat(20_000)}`],
    ["a head without an end", `GET / HTTP/1.1\r\n${"x: y\r\n".repeat(20_000)}`],
    ["a head that is too large", get(`x: ${"y".repeat(70_000)}`)],
  ];
  for (const [what, text] of malformed) {
    it(`is refused with ${what}`, () => {
      assert.throws(() => read(text), MalformedMessage);
    });

    it(`is refused with ${what}, byte by byte`, () => {
      assert.throws(
        () => new Reading().read(...Array.from(text.slice(0, 6000)), text.slice(6000)),
        MalformedMessage,
      );
    });
  }

  it("is refused with any one character changed for a control character", () => {
    const text = lines("POST /path HTTP/1.1", "Host: example.com", "Transfer-Encoding: chunked");
    fc.assert(
      fc.property(
        fc.nat({ max: text.length - 1 }),
        fc.constantFrom(...Array.from("\0\x01\x0b\x0c\x1f\x7f")),
        (index, character) => {
          assert.throws(
            () => read(text.slice(0, index) + character + text.slice(index + 1)),
            MalformedMessage,
          );
        },
      ),
    );
  });
});
