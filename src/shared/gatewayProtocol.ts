// What the extension host and the gateway thread say to each other. Both sides parse what they get.
import * as z from "zod";
import { errorCodes } from "../core/errors.ts";
import { explanationSchema } from "../core/explanation.ts";
import { mappingSchema } from "../core/mapping.ts";
import { storedSecretSchema } from "../core/storedSecret.ts";

/** A CA, PEM: the key is a secret, the certificate is public. */
export const authorityPems = z.strictObject({ certificate: z.string(), privateKey: z.string() });

const storedSecretWithValue = storedSecretSchema.extend({ value: z.string() });

const endpoint = z.strictObject({ port: z.int(), username: z.string(), password: z.string() });

export const startOptions = z.strictObject({
  mappings: z.array(mappingSchema),
  storedSecrets: z.array(storedSecretWithValue).optional(),
  /** Without it the thread makes one and hands it out with its result, for its keeper to store. */
  authority: authorityPems.optional(),
  /** Folder for the trust files. */
  dataDir: z.string(),
  /** Absent: the one that the environment of the process names. */
  parentProxy: z.string().optional(),
  /** Value of `Proxy-Authorization` for it, instead of the URL's user name and password. */
  parentProxyAuthorization: z.string().optional(),
  /** The setting that it comes from, to be named where something is wrong with it. */
  parentProxySetting: z.string().optional(),
  /** What is reached without it, beside what the environment of the process says. */
  noProxy: z.array(z.string()).optional(),
  /** PEM. */
  extraCaCertificates: z.array(z.string()),
  port: z.int().min(0).max(65_535),
  /** Another port will do where this one stays taken for five seconds. */
  anyPort: z.boolean().optional(),
  /** Another gateway that does all the work: nothing is mapped, opened or asked of 1Password here. */
  relay: z
    .strictObject({
      /** URL of its proxy, with user name and password. */
      proxy: z.string(),
      /** PEM: its CA, which terminals have to trust. */
      certificate: z.string(),
    })
    .optional(),
  /** Of an earlier run, so that its terminals go on working. */
  password: z.string().min(32).optional(),
  /** The management API; without it there is none. */
  api: z
    .strictObject({
      token: z.string().min(43),
      port: z.int().min(0).max(65_535),
      /** Another port will do where this one is taken. */
      anyPort: z.boolean(),
    })
    .optional(),
});

const requestId = z.int().positive();

/** From the host. Those with an `id` are answered by one `done` or `failed`. */
export const toGateway = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("start"), id: requestId, options: startOptions }),
  z.strictObject({ type: z.literal("setMappings"), id: requestId, mappings: z.array(mappingSchema) }),
  z.strictObject({
    type: z.literal("setStoredSecrets"),
    id: requestId,
    storedSecrets: z.array(storedSecretWithValue),
  }),
  /** Signs in and lists vaults; the account is used from then on, and kept as it was if that fails. */
  z.strictObject({ type: z.literal("connect"), id: requestId, token: z.string() }),
  /** Uses an account that was connected before; 1Password is asked at the first need. */
  z.strictObject({ type: z.literal("useAccount"), id: requestId, token: z.string() }),
  z.strictObject({ type: z.literal("disconnect") }),
  z.strictObject({ type: z.literal("invalidate"), reference: z.string().optional() }),
  /** Reads the secret behind a reference afresh; the value stays in the gateway. */
  z.strictObject({ type: z.literal("test"), id: requestId, reference: z.string() }),
  z.strictObject({ type: z.literal("listVaults"), id: requestId }),
  z.strictObject({ type: z.literal("listItems"), id: requestId, vaultId: z.string() }),
  z.strictObject({ type: z.literal("listFields"), id: requestId, vaultId: z.string(), itemId: z.string() }),
  /** Milliseconds since the cached value of each reference was read. */
  z.strictObject({ type: z.literal("cacheAges"), id: requestId, references: z.array(z.string()) }),
  /** Which secret a request would get, and why. */
  z.strictObject({ type: z.literal("explain"), id: requestId, host: z.string(), path: z.string() }),
  /** Whether the gateway that a relay leads to answers, and takes its user name and password. */
  z.strictObject({ type: z.literal("checkRelay"), id: requestId }),
  z.strictObject({ type: z.literal("ping"), id: requestId }),
  z.strictObject({ type: z.literal("stop"), id: requestId }),
  /** To an `ask`. */
  z.strictObject({ type: z.literal("answer"), question: requestId, result: z.unknown() }),
  z.strictObject({
    type: z.literal("refuse"),
    question: requestId,
    code: z.enum(errorCodes),
    message: z.string(),
  }),
]);

/** What a program wants changed over the management API. */
const managementWrite = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("putMapping"), mapping: mappingSchema }),
  z.strictObject({ kind: z.literal("deleteMapping"), id: z.string() }),
  z.strictObject({ kind: z.literal("connect"), token: z.string() }),
  z.strictObject({ kind: z.literal("disconnect") }),
]);

export const putResult = z.enum(["added", "replaced"]);

/** What happened, without values, bodies, queries and references. Times in milliseconds. */
export const activityRecord = z.strictObject({
  id: z.int(),
  /** Unix time at which the request arrived. */
  at: z.number(),
  /** `request`: seen by the gateway; `tunnel`: bytes of a host that is not mapped. */
  kind: z.enum(["request", "tunnel"]),
  /** Who asked: the user name of the proxy credential. */
  agent: z.string(),
  method: z.string(),
  /** `host`, or `host:port` where the port is not 443. */
  host: z.string(),
  /** Path without its query; empty for a tunnel. */
  path: z.string(),
  /** HTTP status that the client got; 0 where it left before there was one. */
  status: z.int(),
  /** The gateway's own code, where it refused or failed. */
  error: z.enum(errorCodes).optional(),
  /** Id of the mapping or stored secret that was used, and which of the two it is. */
  mapping: z.string().optional(),
  source: z.enum(["1password", "stored"]).optional(),
  cacheHit: z.boolean().optional(),
  /** `placeholder-leak`: the request carried the placeholder of a service to a host that is not the service's. */
  warning: z.enum(["placeholder-leak"]).optional(),
  /** Id of the known service that the warning is about. */
  service: z.string().optional(),
  /** Time to the answer's head, and to its end. */
  headMs: z.number(),
  totalMs: z.number(),
  /** Bytes of body sent by the client, and to it. */
  bytesUp: z.number(),
  bytesDown: z.number(),
});

export const startResult = z.strictObject({
  endpoint,
  files: z.strictObject({ ca: z.string(), bundle: z.string(), additions: z.string() }),
  authority: authorityPems,
  /** Where the management API listens, or why it does not. */
  api: z.union([z.strictObject({ port: z.int() }), z.strictObject({ fault: z.string() })]).optional(),
});

export const connectResult = z.strictObject({ account: z.string(), vaults: z.int() });

export const vaultList = z.array(z.strictObject({ id: z.string(), title: z.string() }));
export const itemList = z.array(z.strictObject({ id: z.string(), title: z.string(), category: z.string() }));
export const fieldList = z.array(
  z.strictObject({
    id: z.string(),
    label: z.string(),
    section: z.strictObject({ id: z.string(), title: z.string() }).optional(),
    type: z.string(),
  }),
);
/** In the order asked for; null where no value is cached. */
export const ageList = z.array(z.number().nullable());

/** {@link explanationSchema}, with what the gateway alone knows. */
export const explainResult = explanationSchema.extend({
  /** Milliseconds since the winner's cached value was read. */
  cacheAge: z.number().optional(),
});

/** From the gateway thread. `result` is of the shape that belongs to the request. */
export const fromGateway = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("done"), id: requestId, result: z.unknown() }),
  z.strictObject({ type: z.literal("failed"), id: requestId, code: z.enum(errorCodes), message: z.string() }),
  z.strictObject({
    type: z.literal("activity"),
    records: z.array(activityRecord),
    /** Requests to 1Password, since the last such message, that count against its limits. */
    accountRequests: z.int().min(0),
  }),
  /** May this be done? Answered by one `answer` or `refuse`, when the person has decided. */
  z.strictObject({ type: z.literal("ask"), question: requestId, write: managementWrite }),
  z.strictObject({
    type: z.literal("log"),
    level: z.enum(["trace", "debug", "info", "warn", "error"]),
    message: z.string(),
  }),
]);

/** What `done` carries, for the requests whose result is of interest. */
export const results = {
  connect: connectResult,
  listVaults: vaultList,
  listItems: itemList,
  listFields: fieldList,
  cacheAges: ageList,
  explain: explainResult,
} as const;

type Results = { readonly [T in keyof typeof results]: z.infer<(typeof results)[T]> };
export type ResultOf<T extends ToGateway["type"]> = T extends keyof Results ? Results[T] : unknown;

export type ToGateway = z.infer<typeof toGateway>;
export type FromGateway = z.infer<typeof fromGateway>;
export type AuthorityPems = z.infer<typeof authorityPems>;
export type ActivityRecord = z.infer<typeof activityRecord>;
export type ManagementWrite = z.infer<typeof managementWrite>;
export type StartOptions = z.infer<typeof startOptions>;
export type StartResult = z.infer<typeof startResult>;
export type ExplainResult = z.infer<typeof explainResult>;
export type StoredSecretWithValue = z.infer<typeof storedSecretWithValue>;
export type ConnectResult = z.infer<typeof connectResult>;
