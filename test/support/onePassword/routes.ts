import { createHmac } from "node:crypto";
import type { Account, Item, Vault } from "./account.ts";
import { openWithAes, sealWithAes } from "./envelope.ts";
import type { Envelope } from "./envelope.ts";
import { itemRecord, keysetRecord, overviewRecord, vaultRecord } from "./records.ts";
import { exchange } from "./srp.ts";
import type { SrpExchange } from "./srp.ts";

export interface ServiceRequest {
  readonly method: string;
  /** Path below `/api/`, without the query. */
  readonly route: string;
  /** Host without port, path and `?query`: the part of the URL that the MAC covers. */
  readonly signed: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface ServiceReply {
  readonly status: number;
  readonly body: unknown;
}

/** One sign-in: begun with an id, then SRP, then the key is confirmed. */
export interface Session {
  readonly id: string;
  srp?: SrpExchange;
  confirmed: boolean;
}

export const unauthenticated: ServiceReply = refusal(401, "Authentication required.");
const notFound: ServiceReply = refusal(404, "Not found.");

/** The steps of a sign-in before there is a key to seal the answer with; `undefined` for any other request. */
export function answerInClear(account: Account, session: Session, request: ServiceRequest): unknown {
  switch (`${request.method} ${request.route}`) {
    case "POST v2/auth": {
      const { userA } = JSON.parse(request.body) as { userA: string };
      session.srp = exchange(account.verifier, userA, account);
      return { userB: session.srp.userB };
    }
    case "POST v2/auth/confirm-key": {
      const { clientVerifyHash } = JSON.parse(request.body) as { clientVerifyHash: string };
      session.confirmed = clientVerifyHash === session.srp?.clientProof;
      return session.confirmed ? { serverVerifyHash: session.srp?.serverProof } : undefined;
    }
    default:
      return undefined;
  }
}

/** Everything behind the sign-in: the request carries a MAC, both bodies are sealed with the session key. */
export function answerSealed(
  account: Account,
  session: Session,
  request: ServiceRequest,
  edit: (content: unknown) => unknown,
): ServiceReply {
  const key = session.srp?.sessionKey;
  if (key === undefined || !session.confirmed || !macIsRight(session.id, key, request)) {
    return unauthenticated;
  }
  const sent = request.body === "" ? undefined : openWithAes(key, JSON.parse(request.body) as Envelope);
  const content = read(account, `${request.method} ${request.route}`, sent);
  return content === undefined
    ? notFound
    : { status: 200, body: sealWithAes(key, session.id, edit(content)) };
}

function macIsRight(sessionId: string, key: Uint8Array, request: ServiceRequest): boolean {
  const [version, counter, mac] = String(request.headers["x-agilebits-mac"]).split("|");
  const macKey = createHmac("sha256", key)
    .update("He never wears a Mac, in the pouring rain. Very strange.")
    .digest();
  const text = [sessionId, request.method, request.signed, version, counter].join("|");
  const expected = createHmac("sha256", macKey).update(text).digest().subarray(0, 12).toString("base64url");
  return version === "v1" && mac === expected;
}

function read(account: Account, request: string, sent: unknown): unknown {
  if (request === "POST v2/auth/complete") {
    return { userUuid: account.userId };
  }
  if (request === "GET v2/account/keysets") {
    return { version: 1, keysets: [keysetRecord(account)] };
  }
  if (request === "GET v1/vaults") {
    return account.vaults.map((vault) => vaultRecord(account, vault));
  }
  const [, vaultId, rest] = /^(?:GET|POST) v[13]\/vault\/(\w+)(.*)$/.exec(request) ?? [];
  const vault = account.vaults.find((candidate) => candidate.id === vaultId);
  return vault === undefined || rest === undefined ? undefined : readVault(account, vault, rest, sent);
}

function readVault(account: Account, vault: Vault, rest: string, sent: unknown): unknown {
  if (rest === "") {
    return vaultRecord(account, vault);
  }
  if (rest === "/items/overviews") {
    const items = vault.items.map((item) => overviewRecord(account, vault, item));
    return { contentVersion: 1, batchComplete: true, items, deletedItemUuids: [] };
  }
  if (rest === "/items/batch") {
    // The SDK wants one entry per id it asked for, in its order and with its duplicates.
    const wanted = (sent as { itemUuids: string[] }).itemUuids;
    const items = wanted.map((id) => itemOf(vault, id)).filter((item) => item !== undefined);
    return { contentVersion: 1, items: items.map((item) => itemRecord(account, vault, item)) };
  }
  const item = itemOf(vault, /^\/item\/(\w+)$/.exec(rest)?.[1]);
  return item === undefined ? undefined : { contentVersion: 1, item: itemRecord(account, vault, item) };
}

function itemOf(vault: Vault, id: string | undefined): Item | undefined {
  return vault.items.find((item) => item.id === id);
}

function refusal(status: number, errorMessage: string): ServiceReply {
  return { status, body: { errorCode: status, errorMessage, requestId: 1 } };
}
