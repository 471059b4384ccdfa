// Whatever the gateway's reader of requests takes, Node's parser takes as well, and reads the same in it.
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type Duplex, duplexPair } from "node:stream";
import fc from "fast-check";
import { type RawHeaders } from "../../src/core/headers.ts";
import { MalformedMessage, MessageReader } from "../../src/gateway/http1Message.ts";
import { http1Request, refuseOtherProtocol } from "../../src/gateway/http1Request.ts";
import { maxHeaderBytes } from "../../src/gateway/requestParsing.ts";

interface Reading {
  readonly method: string;
  readonly target: string;
  readonly headers: RawHeaders;
  body: string;
  trailers: RawHeaders;
}

/** @returns undefined where it refuses, or would not look at all of it */
function readByOurs(text: string): Reading[] | undefined {
  const requests: Reading[] = [];
  let isLast = false;
  const reader = new MessageReader(
    {
      onHead: (line, headers) => {
        const { method, target, framing, keepAlive } = http1Request(line, headers);
        if (isLast) {
          throw new MalformedMessage("comes behind the last one");
        }
        isLast = !keepAlive;
        requests.push({ method, target, headers, body: "", trailers: [] });
        return framing;
      },
      onData: (chunk) => (requests.at(-1)!.body += chunk.toString("latin1")),
      onEnd: (trailers) => {
        requests.at(-1)!.trailers = trailers;
        reader.expect();
      },
      onPartOfHead: refuseOtherProtocol,
    },
    { skipsEmptyLines: true },
  );
  reader.expect();
  try {
    reader.read(Buffer.from(text, "latin1"));
  } catch (error) {
    assert.ok(error instanceof MalformedMessage);
    return undefined;
  }
  return reader.finish() === "between" ? requests : undefined;
}

/** By Node's server, on a connection of its own. */
async function readByNode(text: string): Promise<Reading[] | undefined> {
  const requests: Reading[] = [];
  const refused: unknown[] = [];
  const server = createServer({
    maxHeaderSize: maxHeaderBytes,
    requireHostHeader: false,
    keepAliveTimeout: 0,
  });
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    const { method = "", url = "", rawHeaders } = request;
    const reading: Reading = { method, target: url, headers: rawHeaders, body: "", trailers: [] };
    requests.push(reading);
    request.setEncoding("latin1");
    request.on("data", (part: string) => (reading.body += part));
    request.on("end", () => {
      reading.trailers = request.rawTrailers;
      response.end();
    });
  };
  server.on("request", onRequest);
  server.on("checkExpectation", onRequest);
  server.on("clientError", (error, socket: Duplex) => {
    refused.push(error);
    socket.destroy();
  });
  const [client, connection] = duplexPair();
  const closed = new Promise((resolve) => connection.once("close", resolve));
  server.emit("connection", connection);
  client.resume();
  client.end(text, "latin1");
  await closed;
  return refused.length > 0 ? undefined : requests;
}

const chunked = "Transfer-Encoding: chunked";
const seeds = [
  ["GET / HTTP/1.1", "Host: a", "X:  b", "", ""],
  ["POST /p?q HTTP/1.1", "Host: a", "Content-Length: 3", "", "abc"],
  ["POST /p?q HTTP/1.1", chunked, "", "3;e=1", "abc", "a", "0123456789", "0", "X: y", "", ""],
  ["GET / HTTP/1.0", "Connection: keep-alive", "", "GET /b HTTP/1.1", "", ""],
  ["PUT / HTTP/1.1", "Content-Length: 0", "", "", "DELETE * HTTP/1.1", chunked, "", "0", "", ""],
].map((lines) => lines.join("\r\n"));
const pieces = [
  ...Array.from("\r\n\t :,;=+-0123456789abcdefxA/\\*#\0\x01\x7f\x80\xff\"'"),
  ...["\r\n", "\r\n\r\n", "\n\n", "\r\n ", "HTTP/1.1", "HTTP/1.0", "chunked", "gzip", "close", "0\r\n\r\n"],
  ...[
    "Content-Length: 3\r\n",
    "Content-Length: 1\r\n",
    `${chunked}\r\n`,
    "Transfer-Encoding: gzip, chunked\r\n",
  ],
];
/** A place, how much of what is there goes, and what comes there. */
const edit = fc.tuple(fc.nat({ max: 160 }), fc.nat({ max: 3 }), fc.constantFrom(...pieces, ""));

describe("any request of HTTP/1.1", () => {
  it("that is taken is read as Node's parser reads it", async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...seeds),
        fc.array(edit, { minLength: 1, maxLength: 3 }),
        async (seed, edits) => {
          let text = seed;
          for (const [place, length, piece] of edits) {
            const at = place % text.length;
            text = text.slice(0, at) + piece + text.slice(at + length);
          }
          // At a line's end, Node keeps a tab that is none of a value's (RFC 9110 §5.5), and takes no blank behind the
          // size of a chunk, with which some servers fill it up.
          fc.pre(!/[\t ]\r/.test(text));
          const ours = readByOurs(text);
          if (ours !== undefined) {
            taken++;
            assert.deepEqual(ours, await readByNode(text));
          }
        },
      ),
      { numRuns: 5000 },
    );
    assert.ok(taken > 100, `${taken} were taken`);
  });
});
