import { constants } from "node:http2";
import { fieldValues } from "../core/headers.ts";
import { refusal } from "./httpConnect.ts";
import { type ParentProxy } from "../core/parentProxy.ts";
import { type AnswerHandler } from "./upstreamRequest.ts";

/**
 * Hands on the answer to a request that a parent proxy forwards, but for a 407: that is the proxy's own
 * (RFC 9110 §15.5.8), about a login which the client knows nothing of.
 */
export function withoutChallenge(handler: AnswerHandler, parent: ParentProxy, host: string): AnswerHandler {
  let abort: (code: number) => void = () => undefined;
  return {
    onStart: (giveUp) => {
      abort = giveUp;
      handler.onStart(giveUp);
    },
    onHead: (status, reason, headers, resume) => {
      if (status !== 407) {
        return handler.onHead(status, reason, headers, resume);
      }
      abort(constants.NGHTTP2_CANCEL);
      handler.onError(refusal(status, fieldValues(headers, "proxy-authenticate").join(", "), parent, host));
      return true;
    },
    onData: (chunk, release) => handler.onData(chunk, release),
    onEnd: (trailers) => handler.onEnd(trailers),
    onSwitch: (headers, bytes) => handler.onSwitch(headers, bytes),
    onError: (error) => handler.onError(error),
  };
}
