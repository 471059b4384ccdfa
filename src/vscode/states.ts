import { type ErrorCode } from "../core/errors.ts";

export type Account =
  | { readonly kind: "none" }
  /** A token is stored; `name` is known once it was used in this window. */
  | { readonly kind: "present"; readonly name?: string; readonly vaults?: number };

/** How a mapping or stored secret fares. Times are Unix milliseconds. */
export type EntryState =
  | { readonly kind: "disabled" }
  | { readonly kind: "unused" }
  | { readonly kind: "ready"; readonly lastUse?: number }
  | { readonly kind: "error"; readonly code: ErrorCode; readonly reason: string; readonly lastUse?: number };
