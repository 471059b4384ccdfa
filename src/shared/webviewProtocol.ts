// What the extension host and the dashboard's page say to each other. Both sides parse what they get and drop what is
// not of this. It is the small form of zod because the page is: the usual one alone would be three pages.
//
//   page ── ready ──▶ host ── snapshot, then patches ──▶ page
//   page ── ask (id) ──▶ host ── answer | refusal (id) ──▶ page
//
// No value of a secret and no token ever crosses.
import * as z from "zod/mini";
import { reportSchema } from "./doctorReport.ts";
import { activityCapacity } from "./webviewConstants.ts";

const text = (length = 2_000) => z.string().check(z.maxLength(length));
const count = z.int().check(z.minimum(0));

const source = z.enum(["1password", "stored"]);

/** A mapping or a stored secret: its id is unique among those of its source. */
const entryKey = z.strictObject({ source, id: text() });

/** How a secret is sent. The host says whether it is one that can be. */
const rule = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("header"), name: text(), value: text() }),
  z.strictObject({ kind: z.literal("basic"), username: text() }),
  z.strictObject({ kind: z.literal("query"), name: text() }),
  z.strictObject({ kind: z.literal("service"), id: text() }),
]);

/** An error in words: what happened, and what to do about it. */
const failure = z.strictObject({
  code: z.optional(z.string()),
  message: z.string(),
  hint: z.optional(z.string()),
});

/** Times are Unix milliseconds. */
const entryState = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("disabled") }),
  z.strictObject({ kind: z.literal("unused") }),
  z.strictObject({ kind: z.literal("ready"), lastUse: z.optional(z.number()) }),
  z.strictObject({ kind: z.literal("error"), failure, lastUse: z.optional(z.number()) }),
]);

const entryRow = z.strictObject({
  source,
  id: z.string(),
  hostname: z.string(),
  /** `/` for every path. */
  path: z.string(),
  /** The reference of a mapping, the name of a stored secret. */
  secret: z.string(),
  /** The names behind a reference that is made of ids. */
  names: z.optional(z.string()),
  rule: z.optional(rule),
  /** The rule, or the default of the host, in words. */
  sentAs: z.string(),
  enabled: z.boolean(),
  state: entryState,
  /** The stored secret that takes requests away from a mapping: all of them, or some. */
  override: z.optional(z.strictObject({ by: z.string(), all: z.boolean() })),
});

/** What the page may have the editor run: nothing that it could not be clicked in the palette, and without arguments. */
export const pageCommands = [
  "onecli.account.connect",
  "onecli.account.reconnect",
  "onecli.account.disconnect",
  "onecli.cache.clear",
  "onecli.doctor.run",
  "onecli.gateway.restart",
  "onecli.gateway.useTeam",
  "onecli.log.show",
  "onecli.mapping.export",
  "onecli.mapping.import",
  "onecli.storedSecret.add",
  "onecli.terminal.open",
] as const;

const pageCommand = z.enum(pageCommands);

const account = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("none") }),
  /** A token is stored; `name` and the number of vaults are known once it was used in this window. */
  z.strictObject({ kind: z.literal("present"), name: z.optional(z.string()), vaults: z.optional(count) }),
]);

const connection = z.strictObject({
  account,
  gateway: z.enum(["stopped", "starting", "running", "restarting"]),
  /** Requests to 1Password that this window has made; absent where a team's gateway makes them. */
  usage: z.optional(z.strictObject({ hour: count, day: count })),
  /** The gateway of a team, used in place of the window's own. `problem` is what is wrong with it, with the fix. */
  team: z.optional(z.strictObject({ host: z.string(), problem: z.optional(z.string()) })),
  /** What last went wrong between here and 1Password, until it goes well again. */
  problem: z.optional(
    z.strictObject({
      failure,
      at: z.number(),
      fix: z.optional(z.strictObject({ title: z.string(), command: pageCommand })),
    }),
  ),
});

const minute = z.strictObject({ minute: count, requests: count, errors: count, reads: count });

const activityRow = z.strictObject({
  /** Grows by one with each record of this window, restarts of the gateway included. */
  seq: count,
  at: z.number(),
  kind: z.enum(["request", "tunnel"]),
  agent: z.string(),
  method: z.string(),
  host: z.string(),
  path: z.string(),
  /** 0 where the client left before there was one. */
  status: z.int(),
  failure: z.optional(failure),
  source: z.optional(source),
  /** Id of the mapping or stored secret. */
  entry: z.optional(z.string()),
  /** Reference or name of what was used, as it was then. */
  secret: z.optional(z.string()),
  cacheHit: z.optional(z.boolean()),
  /** What to be warned of, in words. */
  warning: z.optional(z.string()),
  headMs: z.number(),
  totalMs: z.number(),
  bytesUp: z.number(),
  bytesDown: z.number(),
});

const doctor = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("none") }),
  z.strictObject({ kind: z.literal("running") }),
  z.strictObject({ kind: z.literal("done"), at: z.number(), report: reportSchema }),
]);

const service = z.strictObject({
  id: z.string(),
  name: z.string(),
  hosts: z.array(z.string()),
  /** How it takes a secret, in words. */
  sentAs: z.string(),
  /** It wants a user name of the person's own, so that it cannot be a rule as it is. */
  needsUser: z.boolean(),
});

const state = z.strictObject({
  connection,
  entries: z.array(entryRow),
  /** The last of them, oldest first. */
  activity: z.array(activityRow).check(z.maxLength(activityCapacity)),
  /** The last hour, oldest first. */
  traffic: z.array(minute),
  doctor,
});

const requestId = z.int().check(z.positive());

export const toPage = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("snapshot"),
    version: z.number(),
    /** BCP 47. */
    language: z.string(),
    /** English text → text in that language. */
    texts: z.record(z.string(), z.string()),
    services: z.array(service),
    state,
  }),
  /** What has changed since the last message. */
  z.strictObject({
    type: z.literal("patch"),
    connection: z.optional(connection),
    /** All of them, where one came, went or was edited. */
    entries: z.optional(z.array(entryRow)),
    /** How those fare that were used. */
    states: z.optional(z.array(z.strictObject({ source, id: z.string(), state: entryState }))),
    /** More records, oldest first. */
    activity: z.optional(z.array(activityRow).check(z.maxLength(activityCapacity))),
    /** All records are gone. */
    cleared: z.optional(z.literal(true)),
    /** Minutes in the place of those with the same number. */
    traffic: z.optional(z.array(minute)),
    doctor: z.optional(doctor),
  }),
  z.strictObject({ type: z.literal("answer"), id: requestId, result: z.unknown() }),
  z.strictObject({ type: z.literal("refusal"), id: requestId, failure }),
]);

const entryDraft = z.strictObject({
  source,
  hostname: text(),
  path: text(),
  /** The reference of a mapping, the name of a stored secret. */
  secret: text(),
  names: z.optional(text()),
  rule: z.optional(rule),
  enabled: z.boolean(),
});

/** `ruleValue` is the text of a header with `{value}` in it. */
const draftParts = ["hostname", "path", "secret", "rule", "ruleValue"] as const;

const keys = z.array(entryKey).check(z.minLength(1), z.maxLength(10_000));

/** What the page may ask, and the shape of the answers. */
export const questions = {
  /** Looks at a draft, as it is typed. */
  check: {
    body: z.strictObject({ draft: entryDraft, replacing: z.optional(entryKey) }),
    answer: z.strictObject({
      /** As it would be stored. */
      hostname: z.optional(z.string()),
      sentAs: z.optional(z.string()),
      /** Without one it can be saved. */
      problem: z.optional(z.strictObject({ part: z.enum(draftParts), message: z.string() })),
    }),
  },
  /** Puts a mapping in the place of `replacing`, or adds one. A stored secret can be edited, not added. */
  save: {
    body: z.strictObject({ draft: entryDraft, replacing: z.optional(entryKey) }),
    answer: entryKey,
  },
  enable: { body: z.strictObject({ keys, enabled: z.boolean() }), answer: z.null() },
  /** Has the editor ask for another value of a stored secret, which the page never sees. */
  replaceValue: { body: z.strictObject({ key: entryKey }), answer: z.null() },
  /**
   * Mappings can be had back: `undo` takes the token once, and only the last one. A stored secret cannot, so the editor
   * asks before, and `removed` does not count it.
   */
  remove: { body: z.strictObject({ keys }), answer: z.strictObject({ token: z.int(), removed: count }) },
  undo: { body: z.strictObject({ token: z.int() }), answer: z.null() },
  /** Reads the secret afresh. */
  test: { body: z.strictObject({ key: entryKey }), answer: z.strictObject({ ms: z.number() }) },
  /** How a reference could go on, by the names in the vaults. */
  complete: {
    body: z.strictObject({ text: text() }),
    answer: z.array(
      z.strictObject({
        /** The whole text with this choice; it ends with `/` where a part is still missing. */
        text: z.string(),
        label: z.string(),
        detail: z.optional(z.string()),
        names: z.optional(z.string()),
      }),
    ),
  },
  vaults: { body: z.strictObject({}), answer: z.array(z.string()) },
  /** Which secret a request would get now, and why. */
  explain: {
    body: z.strictObject({ host: text(), path: text(100_000) }),
    answer: z.strictObject({
      result: z.enum(["injected", "bare", "untouched", "refused"]),
      candidates: z.array(z.strictObject({ source, id: z.string(), label: z.string(), outcome: z.string() })),
      sets: z.optional(z.string()),
      removes: z.array(z.string()),
      cacheAge: z.optional(z.number()),
    }),
  },
  clear: { body: z.strictObject({}), answer: z.null() },
  /** Lets the person choose a file; `seqs` are the records, absent for all. */
  export: {
    body: z.strictObject({
      format: z.enum(["har", "json"]),
      seqs: z.optional(z.array(count).check(z.maxLength(activityCapacity))),
    }),
    answer: z.strictObject({ saved: z.boolean() }),
  },
} as const;

export type QuestionName = keyof typeof questions;
export type Body<N extends QuestionName> = z.infer<(typeof questions)[N]["body"]>;
export type Answer<N extends QuestionName> = z.infer<(typeof questions)[N]["answer"]>;

const questionNames = Object.keys(questions) as [QuestionName, ...QuestionName[]];

export const toHost = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("ready"), version: z.number() }),
  z.strictObject({ type: z.literal("run"), command: pageCommand }),
  /** `body` is of the shape that belongs to the question. */
  z.strictObject({ type: z.literal("ask"), id: requestId, name: z.enum(questionNames), body: z.unknown() }),
]);

export type ToPage = z.infer<typeof toPage>;
export type ToHost = z.infer<typeof toHost>;
export type Patch = Extract<ToPage, { type: "patch" }>;
export type Snapshot = Extract<ToPage, { type: "snapshot" }>;
export type DashboardState = z.infer<typeof state>;
export type EntryKey = z.infer<typeof entryKey>;
export type EntryRow = z.infer<typeof entryRow>;
export type EntryState = z.infer<typeof entryState>;
export type EntryDraft = z.infer<typeof entryDraft>;
export type DraftPart = (typeof draftParts)[number];
export type RuleDraft = z.infer<typeof rule>;
export type Connection = z.infer<typeof connection>;
export type ActivityRow = z.infer<typeof activityRow>;
export type DoctorState = z.infer<typeof doctor>;
export type Failure = z.infer<typeof failure>;
export type PageCommand = z.infer<typeof pageCommand>;
export type ServiceRow = z.infer<typeof service>;
