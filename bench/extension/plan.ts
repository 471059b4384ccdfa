// How much is measured. Times in milliseconds.
export interface Plan {
  /** Windows that are opened with nothing stored, and again with an account and a mapping. */
  readonly starts: number;
  /** Of one look at a window that starts, idles or connects. */
  readonly startPeriod: number;
  readonly trafficRounds: number;
  readonly trafficPeriod: number;
  readonly streamRounds: number;
  /** For how long another extension blocks the main thread. */
  readonly block: number;
}

/** About five minutes. */
export const fullPlan: Plan = {
  starts: 3,
  startPeriod: 3_000,
  trafficRounds: 3,
  trafficPeriod: 5_000,
  streamRounds: 2,
  block: 5_000,
};

/** About a minute. */
export const quickPlan: Plan = {
  starts: 1,
  startPeriod: 2_000,
  trafficRounds: 1,
  trafficPeriod: 4_000,
  streamRounds: 1,
  block: 5_000,
};

/** Requests per second. */
export const rate = 500;
