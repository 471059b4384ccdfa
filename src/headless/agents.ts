import { createHash, randomBytes } from "node:crypto";
import * as z from "zod";
import { type Agent } from "../gateway/credentials.ts";
import { username } from "../gateway/gateway.ts";

/** One who may use the gateway, as it is written in the configuration. */
export const agentSchema = z.strictObject({ name: z.string(), passwordHash: z.string() });

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const hashPattern = /^sha256:([0-9a-f]{64})$/i;

/** What is wrong with a name, as the end of a sentence. */
export function agentNameProblem(name: string): string | undefined {
  if (name === username) {
    return `is the gateway's own user name`;
  }
  return namePattern.test(name)
    ? undefined
    : "is no name of up to 64 letters, digits, dots, hyphens and underscores";
}

/** @returns the agents, or what is wrong as `INDEX: KEY: TEXT`. A hash is never shown: it may be a password. */
export function readAgents(entries: readonly z.infer<typeof agentSchema>[]): {
  readonly agents: readonly Agent[];
  readonly problem?: string;
} {
  const agents: Agent[] = [];
  for (const [index, { name, passwordHash }] of entries.entries()) {
    const problem = agentNameProblem(name);
    if (problem !== undefined) {
      return { agents, problem: `${index}: name: ${JSON.stringify(name)} ${problem}` };
    }
    if (agents.some((other) => other.name === name)) {
      return { agents, problem: `${index}: name: ${JSON.stringify(name)} is there twice` };
    }
    const [, hash] = hashPattern.exec(passwordHash) ?? [];
    if (hash === undefined) {
      const fix = `"onecli-gateway agent ${name}" makes a password with its hash`;
      return {
        agents,
        problem: `${index}: passwordHash: is not "sha256:" and 64 hexadecimal digits; ${fix}`,
      };
    }
    agents.push({ name, passwordHash: Buffer.from(hash, "hex") });
  }
  return { agents };
}

/**
 * A password of 256 bits, and the entry that lets it in. Nobody can guess such a password, at whatever speed hashes are
 * tried, so the hash need not be a slow one.
 */
export function makeAgent(name: string): {
  readonly password: string;
  readonly entry: z.infer<typeof agentSchema>;
} {
  const password = randomBytes(32).toString("base64url");
  const hash = createHash("sha256").update(password).digest("hex");
  return { password, entry: { name, passwordHash: `sha256:${hash}` } };
}
