import type { InjectionRule } from "./injection.ts";

/** A service that is known by its host: how it takes a credential, and what its tools look for in the environment. */
export interface KnownService {
  readonly id: string;
  readonly name: string;
  readonly hosts: readonly string[];
  /** Absent: the default rule, `Authorization: Bearer`. */
  readonly rule?: InjectionRule;
  /**
   * Variables that the service's tools want to find, with values in the real key's shape. They are the same on every
   * machine and at every start: Claude Code remembers an approved key by its last 20 characters.
   */
  readonly placeholders: Readonly<Record<string, string>>;
  readonly docs: string;
}

/** Put together at run time: scanners of packages and repositories take the whole for a leaked token. */
const githubToken = ["ghp", "OneCLIplaceholderNotARealToken000000"].join("_");

export const knownServices: readonly KnownService[] = [
  {
    id: "anthropic",
    name: "Anthropic",
    hosts: ["api.anthropic.com"],
    // An Authorization field beside x-api-key makes the service take the bearer token, which is not ours.
    rule: { header: "x-api-key", template: "{value}", drops: ["authorization"] },
    placeholders: {
      ANTHROPIC_API_KEY: "sk-ant-api03-onecli-placeholder-the-gateway-sets-the-real-key-000000000000-AA",
    },
    docs: "https://docs.claude.com/en/api/overview",
  },
  {
    id: "openai",
    name: "OpenAI",
    hosts: ["api.openai.com"],
    placeholders: { OPENAI_API_KEY: "sk-proj-onecli-placeholder-the-gateway-sets-the-real-key-00000000" },
    docs: "https://platform.openai.com/docs/api-reference/authentication",
  },
  {
    id: "github",
    name: "GitHub",
    hosts: ["api.github.com"],
    placeholders: { GH_TOKEN: githubToken, GITHUB_TOKEN: githubToken },
    docs: "https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api",
  },
];

/** The known service that a host belongs to. */
function serviceOfHost(host: string): KnownService | undefined {
  return knownServices.find((service) => service.hosts.includes(host));
}

const bearer: InjectionRule = { header: "Authorization", template: "Bearer {value}" };

/** The rule of a host without one of its own: the known service's, else `Authorization: Bearer VALUE`. */
export function defaultRule(host: string): InjectionRule {
  return serviceOfHost(host)?.rule ?? bearer;
}
