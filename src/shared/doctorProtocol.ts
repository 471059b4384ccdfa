// What the doctor asks of a running gateway, over http://onecli.internal/doctor, and what the gateway saw of its probes.
import * as z from "zod";

/** Answer to `POST /doctor`: an echo below `domain` is there until it is closed, or `lifetime` milliseconds have passed. */
export const openedRun = z.object({
  run: z.string().regex(/^[0-9a-f]{16}$/),
  /** Every name of one label below it leads to the echo; a probe has one of its own. */
  domain: z.string().regex(/^[a-z0-9.-]+$/),
  /** PEM of the gateway's CA. */
  ca: z.string(),
  lifetime: z.number().positive(),
});

/** How far the requests to one host came. */
export const hostEvidence = z.object({
  /** CONNECTs with the right password. */
  connects: z.int().min(0),
  /** Connections on which the tool and the gateway agreed on HTTP/2. */
  http2: z.int().min(0),
  /** Requests that the gateway read inside the TLS: whoever sent one trusts its CA. */
  requests: z.int().min(0),
  /** Requests, WebSocket handshakes included, that reached the echo with the injected value. */
  arrived: z.int().min(0),
  /** WebSockets that the echo opened. */
  webSockets: z.int().min(0),
});

/** Answer to `GET /doctor/RUN`, by the label of the host. */
export const evidence = z.object({ hosts: z.record(z.string(), hostEvidence) });

export type OpenedRun = z.infer<typeof openedRun>;
export type HostEvidence = z.infer<typeof hostEvidence>;
export type Evidence = z.infer<typeof evidence>;
