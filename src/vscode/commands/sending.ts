import { everyPath } from "../../core/requestPath.ts";
import { targetId, type TargetInput } from "../../core/target.ts";
import { type HostList, typePath } from "./hostInput.ts";
import { askRule, type Target } from "./ruleInput.ts";

/** What of an entry says which requests get its secret, and how. */
export type Sending = Pick<TargetInput, "hostname" | "path" | "rule">;

/** How the secret is sent, and for which path where the person wants to say that. */
export async function askSending(
  list: HostList,
  title: string,
  target: Target,
): Promise<Sending | undefined> {
  const full = `${title}: ${targetId(target)}`;
  const answer = await askRule(full, target, undefined, true);
  switch (answer?.kind) {
    case undefined:
      return undefined;
    case "path": {
      const narrowed = await typePath(list, full, target);
      return narrowed === undefined ? undefined : askSending(list, title, narrowed);
    }
    case "rule":
      return { ...written(target), ...(answer.rule !== undefined && { rule: answer.rule }) };
  }
}

/** A target as it is stored. */
export function written({ hostname, path }: Target): Omit<Sending, "rule"> {
  return { hostname, ...(path !== everyPath && { path }) };
}
