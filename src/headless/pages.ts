// Beside the API, on its port: probes for whatever keeps the gateway running, and metrics.
import { type Gateway } from "../gateway/gateway.ts";
import { type ManagementPage } from "../shared/management.ts";
import { type Metrics } from "./metrics.ts";

/** Milliseconds for which a token that 1Password has refused counts as refused: so long the gateway itself remembers it. */
const refusalTime = 30_000;

interface Sources {
  readonly gateway: Pick<Gateway, "activity" | "accountName" | "mappings">;
  /** Whether a signal has come. */
  readonly isStopping: () => boolean;
  readonly metrics: Pick<Metrics, "text" | "contentType">;
}

/**
 * `/healthz`: the process lives. `/readyz`: requests are welcome; 503, with the reason, once a signal has come, and while
 * mappings need an account that is not there or whose token was refused. A configuration that was changed for the worse
 * is no reason: the last good one is in use. `/metrics`: for Prometheus, with the API's token.
 */
export function pages({ gateway, isStopping, metrics }: Sources): Readonly<Record<string, ManagementPage>> {
  let refusedUntil = 0;
  gateway.activity.subscribe(({ error }) => {
    if (error === "token-invalid") {
      refusedUntil = performance.now() + refusalTime;
    }
  });
  const unready = () => {
    if (isStopping()) {
      return "the gateway is stopping";
    }
    if (!gateway.mappings.some(({ enabled }) => enabled)) {
      return undefined;
    }
    if (gateway.accountName === undefined) {
      return "mappings need 1Password, and no Service Account is connected";
    }
    return performance.now() < refusedUntil
      ? "1Password refuses the token of the Service Account"
      : undefined;
  };
  return {
    "/healthz": open(() => json(200, { status: "ok" })),
    "/readyz": open(() => {
      const reason = unready();
      return reason === undefined
        ? json(200, { status: "ready" })
        : json(503, { status: "not ready", reason });
    }),
    "/metrics": {
      isOpen: false,
      answer: async () => ({ status: 200, contentType: metrics.contentType, body: await metrics.text() }),
    },
  };
}

function open(answer: () => Awaited<ReturnType<ManagementPage["answer"]>>): ManagementPage {
  return { isOpen: true, answer: () => Promise.resolve(answer()) };
}

function json(status: number, content: unknown) {
  return { status, contentType: "application/json", body: `${JSON.stringify(content)}\n` };
}
