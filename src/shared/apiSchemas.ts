// The bodies of the API, in and out. What people read in the OpenAPI document comes from here.
import * as z from "zod";
import { errorCodes } from "../core/errors.ts";
import { ruleSchema } from "../core/target.ts";
import { activityRecord, explainResult } from "./gatewayProtocol.ts";

const hostname = z.string().meta({
  description: "A host, or `*.` and a domain for every name below it; port 443 unless one is given.",
  examples: ["api.anthropic.com"],
});
const path = z.string().meta({ description: "Only requests at and below it.", examples: ["/v1/"] });
const reference = z
  .string()
  .meta({ description: "The secret's reference.", examples: ["op://API Keys/Anthropic/credential"] });
const rule = ruleSchema.meta({
  id: "Rule",
  description:
    "How the secret is sent. Without one: as the known service of the host wants it, else as a bearer token.",
});

export const putMappingBody = z
  .strictObject({
    hostname,
    reference: reference.optional(),
    op_ref: z
      .string()
      .optional()
      .meta({ description: "Another name for `reference`; one of the two is given." }),
    path: path.optional(),
    rule: rule.optional(),
    enabled: z.boolean().optional().meta({ description: "`false` leaves the host alone." }),
  })
  .meta({ id: "PutMapping" });

export const mappingAnswer = z
  .strictObject({
    id: z.string().meta({ description: "`host`, or `host/path/`.", examples: ["api.anthropic.com"] }),
    hostname,
    path: path.meta({ description: "`/` for every path." }),
    reference,
    rule: rule.optional(),
    enabled: z.boolean(),
    credential: z.string().meta({ description: "Where the secret goes.", examples: ["header x-api-key"] }),
    state: z.enum(["disabled", "not-connected", "unused", "ok", ...errorCodes]).meta({
      description: "How its last request fared: `ok`, or the code of the error.",
    }),
  })
  .meta({ id: "Mapping" });

export const mappingList = z.strictObject({ mappings: z.array(mappingAnswer) }).meta({ id: "MappingList" });

export const statusAnswer = z
  .strictObject({
    product: z.literal("OneCLI"),
    version: z.string(),
    onePassword: z.strictObject({
      connected: z.boolean(),
      account: z.string().optional().meta({ description: "As it is shown to people." }),
    }),
    proxy: z.strictObject({
      port: z.int().meta({ description: "That it listens on." }),
      tls: z.boolean().meta({ description: "Whether clients speak TLS to the proxy itself." }),
    }),
    mappings: z.strictObject({ total: z.int(), enabled: z.int(), failing: z.int() }),
  })
  .meta({ id: "Status" });

export const connectBody = z
  .strictObject({
    token: z
      .string()
      .meta({ description: "Of a 1Password Service Account.", examples: ["ops_…"], format: "password" }),
  })
  .meta({ id: "Connect" });

export const connectAnswer = z
  .strictObject({ account: z.string(), vaults: z.int().meta({ description: "How many it may read." }) })
  .meta({ id: "Connected" });

export const testAnswer = z
  .strictObject({ id: z.string(), ok: z.literal(true), milliseconds: z.number() })
  .meta({
    id: "Tested",
    description: "The secret was read from 1Password and can be sent. Its value is not shown.",
  });

export const activityQuery = z.strictObject({
  since: z
    .string()
    .regex(/^\d{1,15}$/, "is no id of a record")
    .optional()
    .meta({
      description: "Id of a record: only later ones. Take `last` of the answer before.",
      examples: ["17"],
    }),
});

export const activityAnswer = z
  .strictObject({
    records: z.array(activityRecord.meta({ id: "ActivityRecord" })).meta({ description: "Oldest first." }),
    last: z.int().meta({ description: "Id of the last record; 0 before the first." }),
  })
  .meta({ id: "Activity" });

export const explainQuery = z.strictObject({
  host: z
    .string()
    .meta({ description: "Of the request, with `:port` where it is not 443.", examples: ["api.github.com"] }),
  path: z
    .string()
    .startsWith("/", "does not start with /")
    .optional()
    .meta({ description: "Path and query of the request; `/` otherwise.", examples: ["/user"] }),
});

export const explainAnswer = explainResult.meta({ id: "Explanation" });

export const pathQuery = z.strictObject({
  path: path.optional().meta({ description: "Of the mapping, where it is not for every path of the host." }),
});

export const healthAnswer = z.strictObject({ status: z.enum(["ok", "stopping"]) }).meta({ id: "Health" });

export const errorBody = z
  .strictObject({
    error: z.strictObject({
      type: z.literal("onecli_error"),
      code: z.enum(errorCodes),
      message: z.string().meta({ description: "What happened, the code and the fix." }),
      hint: z.string(),
      docs: z.url(),
    }),
  })
  .meta({ id: "Error" });
