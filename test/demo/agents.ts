import { spawn } from "node:child_process";
import { once } from "node:events";

export interface Agent {
  /** Program, as a person would name it. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly host: string;
  /** The variable in which the agent looks for its key. */
  readonly variable?: string;
  /** Which secret the upstream must receive, and in which header; absent: none. */
  readonly expects?: { readonly header: string; readonly value: string };
  /** What the gateway or the upstream must answer, found in the agent's output. */
  readonly output: RegExp;
}

const nodeScript = `
const answer = await fetch("https://api.openai.com/v1/models", {
  headers: { authorization: "Bearer " + process.env.OPENAI_API_KEY },
});
console.log(answer.status, await answer.text());
`;

const pythonScript = `
import os, urllib.request
request = urllib.request.Request("https://api.github.com/user",
    headers={"Authorization": "Bearer " + os.environ["GH_TOKEN"]})
print(urllib.request.urlopen(request).read().decode())
`;

export function agents(secrets: { anthropic: string; openai: string; github: string }): Agent[] {
  const shell = `curl --silent --show-error --json '{"model":"demo"}' --header "x-api-key: $ANTHROPIC_API_KEY" https://api.anthropic.com/v1/messages`;
  const anthropic = {
    command: "sh",
    args: ["-c", shell],
    host: "api.anthropic.com",
    variable: "ANTHROPIC_API_KEY",
    expects: { header: "x-api-key", value: secrets.anthropic },
    output: /"hello":"api\.anthropic\.com"/,
  };
  return [
    { ...anthropic, name: "curl" },
    { ...anthropic, name: "curl, again" },
    {
      name: "node fetch",
      command: process.execPath,
      args: ["--input-type=module", "--eval", nodeScript],
      host: "api.openai.com",
      variable: "OPENAI_API_KEY",
      expects: { header: "authorization", value: `Bearer ${secrets.openai}` },
      output: /"hello":"api\.openai\.com"/,
    },
    {
      name: "git",
      command: "git",
      args: ["ls-remote", "https://api.github.com/demo/project.git"],
      host: "api.github.com",
      variable: "GITHUB_TOKEN",
      expects: { header: "authorization", value: `Bearer ${secrets.github}` },
      output: /refs\/heads\/main/,
    },
    {
      name: "python urllib",
      command: "python3",
      args: ["-c", pythonScript],
      host: "api.github.com",
      variable: "GH_TOKEN",
      expects: { header: "authorization", value: `Bearer ${secrets.github}` },
      output: /"hello": ?"api\.github\.com"/,
    },
    {
      name: "curl, host not mapped",
      command: "curl",
      args: ["--silent", "--show-error", "https://example.com/"],
      host: "example.com",
      output: /"hello":"example\.com"/,
    },
  ];
}

export interface AgentRun {
  readonly output: string;
  readonly status: number | null;
}

/** Runs an agent to its end; undefined where its program is not on this machine. */
export async function runAgent(agent: Agent, env: NodeJS.ProcessEnv): Promise<AgentRun | undefined> {
  const child = spawn(agent.command, agent.args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  try {
    const [status] = (await once(child, "close")) as [number | null];
    return { output, status };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return undefined;
    }
    throw error;
  }
}
