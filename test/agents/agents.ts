// The agents, each with what it takes to ask it one thing without a person.
import { type VendorName } from "../support/apis/world.ts";
import { type NpmProgram } from "./install.ts";

export interface Agent extends NpmProgram {
  readonly name: string;
  readonly vendor: VendorName;
  /** How it asks its model. */
  readonly transport: "SSE" | "WebSocket";
  /** Where the agent looks for its key, and a made-up one in the right shape. */
  readonly key: readonly [variable: string, value: string];
  readonly args: (prompt: string) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Path below the home → content. */
  readonly files?: Readonly<Record<string, string>>;
  /** The tool that executes a command. */
  readonly tool: { readonly name: string; readonly input: (command: string) => Record<string, unknown> };
}

const anthropicKey = "sk-ant-api03-made-up-by-the-test-000000000000000000000000-AA";
const openaiKey = "sk-proj-made-up-by-the-test-00000000000000000000";

export const agents: readonly Agent[] = [
  {
    name: "Claude Code",
    package: "@anthropic-ai/claude-code",
    version: "2.1.330",
    program: "claude",
    installScript: "install.cjs",
    vendor: "anthropic",
    transport: "SSE",
    key: ["ANTHROPIC_API_KEY", anthropicKey],
    args: (prompt) => ["--print", prompt, "--allowedTools", "Bash"],
    tool: { name: "Bash", input: (command) => ({ command, description: "Run the probe" }) },
  },
  {
    name: "Codex",
    package: "@openai/codex",
    version: "0.169.0",
    program: "codex",
    vendor: "openai",
    transport: "WebSocket",
    key: ["CODEX_API_KEY", openaiKey],
    // gpt-5 is offered its tools as plain functions.
    args: (prompt) => [
      "exec",
      "--skip-git-repo-check",
      "--dangerously-bypass-approvals-and-sandbox",
      "--model=gpt-5",
      prompt,
    ],
    files: {
      ".codex/config.toml": [
        "check_for_update_on_startup = false",
        "[analytics]",
        "enabled = false",
        "[otel]",
        'metrics_exporter = "none"',
        "[features]",
        "plugins = false",
        "apps = false",
        "api_key_model_discovery = false",
      ].join("\n"),
    },
    tool: { name: "exec_command", input: (cmd) => ({ cmd }) },
  },
  {
    name: "Gemini CLI",
    package: "@google/gemini-cli",
    version: "0.61.0",
    program: "gemini",
    vendor: "gemini",
    transport: "SSE",
    key: ["GEMINI_API_KEY", "AIzaMadeUpByTheTest0000000000000000000"],
    args: (prompt) => ["--prompt", prompt, "--skip-trust", "--yolo", "--model=gemini-2.5-flash"],
    tool: { name: "run_shell_command", input: (command) => ({ command }) },
  },
  {
    name: "opencode",
    package: "opencode-ai",
    version: "1.18.33",
    program: "opencode",
    installScript: "postinstall.mjs",
    vendor: "anthropic",
    transport: "SSE",
    key: ["ANTHROPIC_API_KEY", anthropicKey],
    args: (prompt) => ["run", "--model=anthropic/claude-sonnet-4-5", prompt],
    env: {
      OPENCODE_CONFIG_CONTENT: JSON.stringify({ autoupdate: false, share: "disabled", permission: "allow" }),
    },
    tool: { name: "bash", input: (command) => ({ command, description: "Run the probe" }) },
  },
  {
    name: "Qwen Code",
    package: "@qwen-code/qwen-code",
    version: "0.24.4",
    program: "qwen",
    vendor: "openai",
    transport: "SSE",
    key: ["OPENAI_API_KEY", openaiKey],
    args: (prompt) => ["--prompt", prompt, "--yolo"],
    env: { OPENAI_BASE_URL: "https://api.openai.com/v1", OPENAI_MODEL: "qwen3-coder-plus" },
    tool: { name: "run_shell_command", input: (command) => ({ command, is_background: false }) },
  },
  {
    name: "Copilot CLI",
    package: "@github/copilot",
    version: "1.0.102",
    program: "copilot",
    vendor: "copilot",
    transport: "SSE",
    key: ["COPILOT_GITHUB_TOKEN", "github_pat_MadeUpByTheTest0000000000000000000000"],
    args: (prompt) => ["--prompt", prompt, "--allow-all-tools", "--model=claude-sonnet-4.5"],
    // Nobody listens there: the variables come before it.
    files: { ".copilot/settings.json": JSON.stringify({ proxyUrl: "http://127.0.0.1:9" }) },
    tool: { name: "bash", input: (command) => ({ command, description: "Run the probe" }) },
  },
];
