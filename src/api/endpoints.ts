// Every endpoint of the API.
import { type z } from "zod";
import { type ErrorCode, OneCliError } from "../core/errors.ts";
import {
  formatHostPattern,
  HostnameError,
  httpsPort,
  parseAuthority,
  parseHostPattern,
} from "../core/hostname.ts";
import { type Mapping, type MappingInput, parseMapping } from "../core/mapping.ts";
import { describeMapping } from "../core/mappingDescription.ts";
import { everyPath, parsePathPrefix, PathError } from "../core/requestPath.ts";
import { formatSecretReference } from "../core/secretReference.ts";
import { targetId } from "../core/target.ts";
import { type ManagedMapping, type Management } from "../shared/management.ts";
import { version } from "../shared/version.ts";
import { type Endpoint, endpoint } from "./endpoint.ts";
import {
  activityAnswer,
  activityQuery,
  connectAnswer,
  connectBody,
  explainAnswer,
  explainQuery,
  healthAnswer,
  mappingAnswer,
  mappingList,
  pathQuery,
  putMappingBody,
  statusAnswer,
  testAnswer,
} from "../shared/apiSchemas.ts";

const vault = "/api/vault/onepassword";

/** Where a change is refused, or not made. */
const writeErrors: readonly ErrorCode[] = [
  "denied",
  "writes-not-allowed",
  "mappings-unwritable",
  "too-many-writes",
  "gateway-stopping",
];

/** Where 1Password is asked. */
const vaultErrors: readonly ErrorCode[] = [
  "token-invalid",
  "onepassword-rate-limited",
  "onepassword-unreachable",
];

export function endpoints(management: Management): readonly Endpoint[] {
  return [
    endpoint({
      id: "listMappings",
      method: "GET",
      path: `${vault}/mappings`,
      summary: "The mappings, with how each fares",
      answers: { 200: { description: "In their order", schema: mappingList } },
      errors: [],
      handle: () => ({ status: 200, json: { mappings: management.mappings().map(toAnswer) } }),
    }),
    endpoint({
      id: "putMapping",
      method: "PUT",
      path: `${vault}/mappings`,
      summary: "Adds a mapping, or replaces the one for the same host and path",
      body: putMappingBody,
      answers: {
        200: { description: "Replaced, or as it was", schema: mappingAnswer },
        201: { description: "Added", schema: mappingAnswer },
      },
      errors: ["invalid-input", ...writeErrors],
      async handle({ body }) {
        const wanted = parseMapping(withReference(body));
        if (typeof wanted === "string") {
          throw invalid(wanted);
        }
        const { id } = wanted;
        const former = management.mappings().find((mapping) => mapping.id === id);
        // What would change nothing need not be asked for.
        const isThere = former !== undefined && isSame(former, wanted);
        const change = isThere ? "replaced" : await management.putMapping(toInput(wanted));
        const state = management.mappings().find((mapping) => mapping.id === id)?.state ?? "unused";
        return { status: change === "added" ? 201 : 200, json: toAnswer({ ...wanted, state }) };
      },
    }),
    endpoint({
      id: "deleteMapping",
      method: "DELETE",
      path: `${vault}/mappings/{hostname}`,
      summary: "Removes the mapping of a host",
      query: pathQuery,
      answers: { 204: { description: "Removed" } },
      errors: ["invalid-input", "no-such-mapping", ...writeErrors],
      async handle({ hostname, query: { path } }) {
        await management.deleteMapping(find(management, idOf(hostname, path)).id);
        return { status: 204 };
      },
    }),
    endpoint({
      id: "testMapping",
      method: "POST",
      path: `${vault}/mappings/{hostname}/test`,
      summary: "Reads the secret of a mapping afresh, without showing it",
      query: pathQuery,
      answers: { 200: { description: "It can be read", schema: testAnswer } },
      errors: [
        "invalid-input",
        "no-such-mapping",
        "not-connected",
        "reference-not-found",
        "reference-invalid",
        "value-unusable",
        ...vaultErrors,
      ],
      async handle({ hostname, query: { path } }) {
        const mapping = find(management, idOf(hostname, path));
        const startedAt = performance.now();
        await management.testMapping(mapping);
        const milliseconds = Math.round(performance.now() - startedAt);
        return { status: 200, json: { id: mapping.id, ok: true, milliseconds } };
      },
    }),
    endpoint({
      id: "getStatus",
      method: "GET",
      path: `${vault}/status`,
      summary: "Whether 1Password is connected, and how many mappings fail",
      answers: { 200: { description: "The state", schema: statusAnswer } },
      errors: [],
      handle: () => ({ status: 200, json: describeStatus(management) }),
    }),
    endpoint({
      id: "connect",
      method: "POST",
      path: `${vault}/connect`,
      summary: "Connects a 1Password Service Account, if its token opens vaults",
      body: connectBody,
      answers: { 200: { description: "Connected", schema: connectAnswer } },
      errors: ["invalid-input", ...vaultErrors, ...writeErrors],
      handle: async ({ body: { token } }) => ({ status: 200, json: await management.connect(token) }),
    }),
    endpoint({
      id: "disconnect",
      method: "DELETE",
      path: `${vault}/connect`,
      summary: "Forgets the account and every cached value",
      answers: { 204: { description: "Disconnected" } },
      errors: writeErrors,
      async handle() {
        await management.disconnect();
        return { status: 204 };
      },
    }),
    endpoint({
      id: "getActivity",
      method: "GET",
      path: "/api/activity",
      summary: "The last 1000 requests and tunnels, without values, bodies and queries",
      query: activityQuery,
      answers: { 200: { description: "The records", schema: activityAnswer } },
      errors: ["invalid-input"],
      handle({ query: { since = "0" } }) {
        const records = management.activity();
        const last = records.at(-1)?.id ?? 0;
        // Ids begin again with every start: an id that was not given out yet is of the run before.
        const after = Number(since) > last ? 0 : Number(since);
        return { status: 200, json: { records: records.filter(({ id }) => id > after), last } };
      },
    }),
    endpoint({
      id: "explain",
      method: "GET",
      path: "/api/explain",
      summary: "Which secret a request would get, and why; nothing is sent",
      query: explainQuery,
      answers: { 200: { description: "The candidates, and what would happen", schema: explainAnswer } },
      errors: ["invalid-input"],
      handle({ query: { host, path = "/" } }) {
        const authority = orInvalid("host", host, () => parseAuthority(host, httpsPort));
        return { status: 200, json: management.explain(authority, path) };
      },
    }),
    endpoint({
      id: "getHealth",
      method: "GET",
      path: "/api/health",
      summary: "Whether the gateway takes requests",
      isOpen: true,
      answers: {
        200: { description: "It does", schema: healthAnswer },
        503: { description: "It is stopping", schema: healthAnswer },
      },
      errors: [],
      handle: () =>
        management.isStopping
          ? { status: 503, json: { status: "stopping" } }
          : { status: 200, json: { status: "ok" } },
    }),
    endpoint({
      id: "getCaCertificate",
      method: "GET",
      path: "/api/ca.pem",
      summary: "The certificate of the CA that signs for mapped hosts",
      answers: { 200: { description: "PEM", contentType: pem } },
      errors: [],
      handle: () => ({ status: 200, contentType: pem, text: management.caCertificate }),
    }),
  ];
}

/** RFC 8555 §9.1. */
const pem = "application/pem-certificate-chain";

function toAnswer(mapping: ManagedMapping) {
  const { id, hostname, path, reference, rule, enabled, state } = mapping;
  return {
    id,
    hostname,
    path,
    reference: formatSecretReference(reference),
    ...(rule !== undefined && { rule }),
    enabled,
    credential: describeMapping(mapping).credential,
    state,
  };
}

/** With `reference`, by whichever of its names it was given. */
function withReference({ reference, op_ref: alias, ...body }: z.infer<typeof putMappingBody>) {
  if (reference !== undefined && alias !== undefined) {
    throw invalid("op_ref: is another name for reference; give one of them");
  }
  const given = reference ?? alias;
  if (given === undefined) {
    throw invalid("reference: is missing");
  }
  return { ...body, reference: given };
}

/** As it is written down, in canonical form. */
function toInput({ hostname, path, reference, rule, enabled }: Mapping): MappingInput {
  return {
    hostname,
    ...(path !== everyPath && { path }),
    reference: formatSecretReference(reference),
    ...(rule !== undefined && { rule }),
    ...(!enabled && { enabled }),
  };
}

function isSame(a: Mapping, b: Mapping): boolean {
  return JSON.stringify(toInput(a)) === JSON.stringify(toInput(b));
}

function describeStatus(management: Management) {
  const { account, proxyPort, proxyTls } = management.status();
  const mappings = management.mappings();
  const fine: readonly string[] = ["disabled", "unused", "ok"];
  return {
    product: "OneCLI",
    version,
    onePassword: { connected: account !== undefined, ...(account !== undefined && { account }) },
    proxy: { port: proxyPort, tls: proxyTls },
    mappings: {
      total: mappings.length,
      enabled: mappings.filter(({ enabled }) => enabled).length,
      failing: mappings.filter(({ state }) => !fine.includes(state)).length,
    },
  };
}

function find(management: Management, id: string): ManagedMapping {
  const found = management.mappings().find((mapping) => mapping.id === id);
  if (found === undefined) {
    throw new OneCliError("no-such-mapping", `${JSON.stringify(id)} is not mapped.`);
  }
  return found;
}

/** The id of the mapping for a host, however it is spelled. */
function idOf(host: string, path = everyPath): string {
  return targetId({
    hostname: orInvalid("hostname", host, () => formatHostPattern(parseHostPattern(host))),
    path: orInvalid("path", path, () => parsePathPrefix(path)),
  });
}

/** @throws OneCliError `invalid-input` where the parser says what is wrong with the text. */
function orInvalid<T>(key: string, text: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof HostnameError || error instanceof PathError) {
      throw invalid(`${key}: ${JSON.stringify(text)} ${error.message}`);
    }
    throw error;
  }
}

function invalid(message: string): OneCliError {
  return new OneCliError("invalid-input", `${message}.`);
}
