// What a team's gateway answers. A later one may say more than is known here.
import * as z from "zod";
import {
  activityAnswer,
  connectAnswer,
  explainAnswer,
  mappingAnswer,
  statusAnswer,
} from "../shared/apiSchemas.ts";
import { activityRecord } from "../shared/gatewayProtocol.ts";

export const mappings = z.object({ mappings: z.array(mappingAnswer.strip()) });
export const activity = z.object({
  records: z.array(activityRecord.strip()),
  last: activityAnswer.shape.last,
});
export const status = z.object({
  onePassword: statusAnswer.shape.onePassword.strip(),
  proxy: statusAnswer.shape.proxy.strip(),
});
export const explanation = explainAnswer.strip();
export const connection = connectAnswer.strip();

export type TeamMapping = z.infer<typeof mappingAnswer>;
export type Activity = z.infer<typeof activity>;
export type Status = z.infer<typeof status>;
