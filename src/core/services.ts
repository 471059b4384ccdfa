// The services that are known by their hosts. A service that is not here takes `Authorization: Bearer`.
import { type InjectionRule, type Placement } from "./injection.ts";
import { placeholderKey, placeholderHexKey } from "./placeholders.ts";

/** How a service takes a credential, and what its tools look for in the environment. */
export interface KnownService extends Pick<InjectionRule, "credentials" | "variant"> {
  readonly id: string;
  readonly name: string;
  /** Exact, or `*.` and a domain where each tenant has a host of its own. */
  readonly hosts: readonly string[];
  /** Other hosts that its placeholders are meant for: tools take one token for all of them. */
  readonly kin?: readonly string[];
  /** Only requests below it, where the rest of the host is something else. */
  readonly path?: string;
  /** Absent: `Authorization: Bearer`. */
  readonly placement?: Placement;
  /** What the user name of `Authorization: Basic` has to be, where it is another one for everybody. */
  readonly username?: string;
  /**
   * Variables that the service's tools want to find, with values in the real key's shape. They are the same on every
   * machine and at every start: Claude Code remembers an approved key by its last 20 characters.
   */
  readonly placeholders: Readonly<Record<string, string>>;
  /** Where the vendor says so. */
  readonly docs: string;
}

const header = (name: string, value = "{value}"): Placement => ({ kind: "header", name, value });
const authorization = (value: string): Placement => header("Authorization", value);
const basic = (username: string): Placement => ({ kind: "basic", username });
const query = (name: string): Placement => ({ kind: "query", name });

export const bearer = authorization("Bearer {value}");

/** gh stores tokens of this form itself; Copilot CLI takes it, and refuses `ghp_…` without asking the service. */
const githubToken = placeholderKey("gho_", 40, "github");

export const knownServices: readonly KnownService[] = [
  // Models
  {
    id: "anthropic",
    name: "Anthropic",
    hosts: ["api.anthropic.com"],
    placement: header("x-api-key"),
    // An Authorization field beside x-api-key makes the service take the bearer token, which is not ours.
    credentials: ["x-api-key", "authorization"],
    // An OAuth token of a subscription (`claude setup-token`) is no API key.
    variant: { prefix: "sk-ant-oat", placement: bearer },
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
    id: "gemini",
    name: "Google Gemini",
    hosts: ["generativelanguage.googleapis.com"],
    placement: header("x-goog-api-key"),
    credentials: ["x-goog-api-key", "authorization", "?key"],
    placeholders: {
      GEMINI_API_KEY: placeholderKey("AIza", 39, "gemini"),
      GOOGLE_GENERATIVE_AI_API_KEY: placeholderKey("AIza", 39, "gemini"),
    },
    docs: "https://ai.google.dev/gemini-api/docs/api-key",
  },
  {
    id: "azure-openai",
    name: "Azure OpenAI",
    hosts: ["*.openai.azure.com"],
    placement: header("api-key"),
    credentials: ["api-key", "authorization", "?api-key"],
    placeholders: { AZURE_OPENAI_API_KEY: placeholderHexKey("", 32, "azure-openai") },
    docs: "https://learn.microsoft.com/en-us/azure/ai-services/openai/reference#authentication",
  },
  {
    id: "mistral",
    name: "Mistral",
    hosts: ["api.mistral.ai"],
    placeholders: { MISTRAL_API_KEY: placeholderKey("", 32, "mistral") },
    docs: "https://docs.mistral.ai/api/",
  },
  {
    id: "groq",
    name: "Groq",
    hosts: ["api.groq.com"],
    placeholders: { GROQ_API_KEY: placeholderKey("gsk_", 56, "groq") },
    docs: "https://console.groq.com/docs/api-reference",
  },
  {
    id: "cohere",
    name: "Cohere",
    hosts: ["api.cohere.com", "api.cohere.ai"],
    placeholders: {
      CO_API_KEY: placeholderKey("", 40, "cohere"),
      COHERE_API_KEY: placeholderKey("", 40, "cohere"),
    },
    docs: "https://docs.cohere.com/reference/about",
  },
  {
    id: "deepseek",
    name: "DeepSeek",
    hosts: ["api.deepseek.com"],
    placeholders: { DEEPSEEK_API_KEY: placeholderKey("sk-", 35, "deepseek") },
    docs: "https://api-docs.deepseek.com/",
  },
  {
    id: "xai",
    name: "xAI",
    hosts: ["api.x.ai"],
    placeholders: { XAI_API_KEY: placeholderKey("xai-", 84, "xai") },
    docs: "https://docs.x.ai/docs/api-reference",
  },
  {
    id: "openrouter",
    name: "OpenRouter",
    hosts: ["openrouter.ai"],
    path: "/api/",
    placeholders: { OPENROUTER_API_KEY: placeholderKey("sk-or-v1-", 73, "openrouter") },
    docs: "https://openrouter.ai/docs/api-reference/authentication",
  },
  {
    id: "together",
    name: "Together AI",
    hosts: ["api.together.xyz", "api.together.ai"],
    placeholders: { TOGETHER_API_KEY: placeholderKey("", 64, "together") },
    docs: "https://docs.together.ai/docs/quickstart",
  },
  {
    id: "fireworks",
    name: "Fireworks AI",
    hosts: ["api.fireworks.ai"],
    placeholders: { FIREWORKS_API_KEY: placeholderKey("fw_", 32, "fireworks") },
    docs: "https://docs.fireworks.ai/api-reference/introduction",
  },
  {
    id: "perplexity",
    name: "Perplexity",
    hosts: ["api.perplexity.ai"],
    placeholders: { PERPLEXITY_API_KEY: placeholderKey("pplx-", 53, "perplexity") },
    docs: "https://docs.perplexity.ai/api-reference/chat-completions-post",
  },
  {
    id: "cerebras",
    name: "Cerebras",
    hosts: ["api.cerebras.ai"],
    placeholders: { CEREBRAS_API_KEY: placeholderKey("csk-", 52, "cerebras") },
    docs: "https://inference-docs.cerebras.ai/quickstart",
  },
  {
    id: "dashscope",
    name: "Alibaba Cloud Model Studio (Qwen)",
    hosts: ["dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com"],
    placeholders: { DASHSCOPE_API_KEY: placeholderKey("sk-", 35, "dashscope") },
    docs: "https://www.alibabacloud.com/help/en/model-studio/first-api-call-to-qwen",
  },
  {
    id: "huggingface",
    name: "Hugging Face",
    hosts: ["huggingface.co", "router.huggingface.co", "api-inference.huggingface.co"],
    placeholders: { HF_TOKEN: placeholderKey("hf_", 37, "huggingface") },
    docs: "https://huggingface.co/docs/hub/security-tokens",
  },
  {
    id: "replicate",
    name: "Replicate",
    hosts: ["api.replicate.com"],
    placeholders: { REPLICATE_API_TOKEN: placeholderKey("r8_", 40, "replicate") },
    docs: "https://replicate.com/docs/topics/security/api-tokens",
  },
  {
    id: "voyage",
    name: "Voyage AI",
    hosts: ["api.voyageai.com"],
    placeholders: { VOYAGE_API_KEY: placeholderKey("pa-", 46, "voyage") },
    docs: "https://docs.voyageai.com/docs/api-key-and-installation",
  },
  {
    id: "elevenlabs",
    name: "ElevenLabs",
    hosts: ["api.elevenlabs.io"],
    placement: header("xi-api-key"),
    credentials: ["xi-api-key", "authorization"],
    placeholders: { ELEVENLABS_API_KEY: placeholderHexKey("sk_", 51, "elevenlabs") },
    docs: "https://elevenlabs.io/docs/api-reference/authentication",
  },
  {
    id: "deepgram",
    name: "Deepgram",
    hosts: ["api.deepgram.com"],
    placement: authorization("Token {value}"),
    placeholders: { DEEPGRAM_API_KEY: placeholderHexKey("", 40, "deepgram") },
    docs: "https://developers.deepgram.com/docs/authenticating",
  },
  {
    id: "assemblyai",
    name: "AssemblyAI",
    hosts: ["api.assemblyai.com", "api.eu.assemblyai.com"],
    placement: authorization("{value}"),
    placeholders: { ASSEMBLYAI_API_KEY: placeholderHexKey("", 32, "assemblyai") },
    docs: "https://www.assemblyai.com/docs/api-reference/overview",
  },
  // Search
  {
    id: "brave",
    name: "Brave Search",
    hosts: ["api.search.brave.com"],
    placement: header("X-Subscription-Token"),
    credentials: ["x-subscription-token"],
    placeholders: { BRAVE_API_KEY: placeholderKey("BSA", 31, "brave") },
    docs: "https://api-dashboard.search.brave.com/app/documentation/web-search/get-started",
  },
  {
    id: "tavily",
    name: "Tavily",
    hosts: ["api.tavily.com"],
    placeholders: { TAVILY_API_KEY: placeholderKey("tvly-", 41, "tavily") },
    docs: "https://docs.tavily.com/api-reference/introduction",
  },
  {
    id: "exa",
    name: "Exa",
    hosts: ["api.exa.ai"],
    placement: header("x-api-key"),
    credentials: ["x-api-key", "authorization"],
    placeholders: { EXA_API_KEY: placeholderKey("", 36, "exa") },
    docs: "https://docs.exa.ai/reference/search",
  },
  {
    id: "firecrawl",
    name: "Firecrawl",
    hosts: ["api.firecrawl.dev"],
    placeholders: { FIRECRAWL_API_KEY: placeholderHexKey("fc-", 35, "firecrawl") },
    docs: "https://docs.firecrawl.dev/api-reference/introduction",
  },
  {
    id: "serpapi",
    name: "SerpApi",
    hosts: ["serpapi.com"],
    placement: query("api_key"),
    placeholders: { SERPAPI_API_KEY: placeholderHexKey("", 64, "serpapi") },
    docs: "https://serpapi.com/search-api",
  },
  {
    id: "pinecone",
    name: "Pinecone",
    hosts: ["api.pinecone.io", "*.pinecone.io"],
    placement: header("Api-Key"),
    credentials: ["api-key", "authorization"],
    placeholders: { PINECONE_API_KEY: placeholderKey("pcsk_", 75, "pinecone") },
    docs: "https://docs.pinecone.io/reference/api/authentication",
  },
  // Code
  {
    id: "github",
    name: "GitHub",
    hosts: ["api.github.com", "uploads.github.com"],
    kin: ["github.com"], // gh is git's credential helper
    placeholders: { GH_TOKEN: githubToken, GITHUB_TOKEN: githubToken },
    docs: "https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api",
  },
  {
    id: "github-git",
    name: "GitHub (git over HTTPS)",
    hosts: ["github.com"],
    // Any user name will do for a personal access token; this is the one that an installation token needs.
    placement: basic("x-access-token"),
    placeholders: {},
    docs: "https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/authenticating-as-a-github-app-installation",
  },
  {
    id: "github-copilot",
    name: "GitHub Copilot",
    hosts: ["api.githubcopilot.com", "*.githubcopilot.com"],
    placeholders: { COPILOT_GITHUB_TOKEN: githubToken },
    docs: "https://docs.github.com/en/copilot/how-tos/copilot-cli/set-up-copilot-cli/authenticate-copilot-cli",
  },
  {
    id: "gitlab",
    name: "GitLab",
    hosts: ["gitlab.com"],
    path: "/api/",
    placement: header("PRIVATE-TOKEN"),
    credentials: ["private-token", "authorization", "?private_token"],
    placeholders: { GITLAB_TOKEN: placeholderKey("glpat-", 38, "gitlab") },
    docs: "https://docs.gitlab.com/api/rest/authentication/",
  },
  {
    id: "gitlab-git",
    name: "GitLab (git over HTTPS)",
    hosts: ["gitlab.com"],
    placement: basic("oauth2"),
    placeholders: {},
    docs: "https://docs.gitlab.com/api/oauth2/#access-git-over-https-with-access-token",
  },
  {
    id: "bitbucket",
    name: "Bitbucket",
    hosts: ["api.bitbucket.org"],
    placeholders: {},
    docs: "https://support.atlassian.com/bitbucket-cloud/docs/using-access-tokens/",
  },
  {
    id: "bitbucket-git",
    name: "Bitbucket (git over HTTPS)",
    hosts: ["bitbucket.org"],
    placement: basic("x-token-auth"),
    placeholders: {},
    docs: "https://support.atlassian.com/bitbucket-cloud/docs/using-access-tokens/",
  },
  {
    id: "circleci",
    name: "CircleCI",
    hosts: ["circleci.com"],
    path: "/api/",
    placement: header("Circle-Token"),
    credentials: ["circle-token", "authorization", "?circle-token"],
    placeholders: { CIRCLECI_TOKEN: placeholderKey("CCIPAT_", 70, "circleci") },
    docs: "https://circleci.com/docs/api-developers-guide/",
  },
  {
    id: "npm",
    name: "npm registry",
    hosts: ["registry.npmjs.org"],
    placeholders: { NPM_TOKEN: placeholderKey("npm_", 40, "npm") },
    docs: "https://docs.npmjs.com/about-access-tokens",
  },
  {
    id: "pypi",
    name: "PyPI upload",
    hosts: ["upload.pypi.org"],
    placement: basic("__token__"),
    placeholders: {
      TWINE_PASSWORD: placeholderKey("pypi-", 176, "pypi"),
      UV_PUBLISH_TOKEN: placeholderKey("pypi-", 176, "pypi"),
    },
    docs: "https://pypi.org/help/#apitoken",
  },
  // Clouds
  {
    id: "cloudflare",
    name: "Cloudflare",
    hosts: ["api.cloudflare.com"],
    credentials: ["authorization", "x-auth-key", "x-auth-email"],
    placeholders: { CLOUDFLARE_API_TOKEN: placeholderKey("", 40, "cloudflare") },
    docs: "https://developers.cloudflare.com/fundamentals/api/how-to/make-api-calls/",
  },
  {
    id: "digitalocean",
    name: "DigitalOcean",
    hosts: ["api.digitalocean.com"],
    placeholders: {
      DIGITALOCEAN_ACCESS_TOKEN: placeholderHexKey("dop_v1_", 71, "digitalocean"),
      DIGITALOCEAN_TOKEN: placeholderHexKey("dop_v1_", 71, "digitalocean"),
    },
    docs: "https://docs.digitalocean.com/reference/api/",
  },
  {
    id: "vercel",
    name: "Vercel",
    hosts: ["api.vercel.com"],
    placeholders: { VERCEL_TOKEN: placeholderKey("", 24, "vercel") },
    docs: "https://vercel.com/docs/rest-api",
  },
  {
    id: "netlify",
    name: "Netlify",
    hosts: ["api.netlify.com"],
    placeholders: { NETLIFY_AUTH_TOKEN: placeholderKey("nfp_", 40, "netlify") },
    docs: "https://docs.netlify.com/api/get-started/",
  },
  {
    id: "supabase",
    name: "Supabase (project)",
    hosts: ["*.supabase.co"],
    placement: header("apikey"),
    // supabase-js sends its key in both, and a placeholder in Authorization would be taken for a broken JWT.
    credentials: ["apikey", "authorization", "?apikey"],
    placeholders: {
      SUPABASE_SECRET_KEY: placeholderKey("sb_secret_", 41, "supabase"),
      SUPABASE_SERVICE_ROLE_KEY: placeholderKey("sb_secret_", 41, "supabase"),
    },
    docs: "https://supabase.com/docs/guides/api/api-keys",
  },
  {
    id: "supabase-management",
    name: "Supabase (management)",
    hosts: ["api.supabase.com"],
    // The CLI refuses what is not `sbp_` and 40 hexadecimal digits.
    placeholders: { SUPABASE_ACCESS_TOKEN: placeholderHexKey("sbp_", 44, "supabase-management") },
    docs: "https://supabase.com/docs/reference/api/introduction",
  },
  {
    id: "heroku",
    name: "Heroku",
    hosts: ["api.heroku.com"],
    placeholders: { HEROKU_API_KEY: placeholderKey("HRKU-", 65, "heroku") },
    docs: "https://devcenter.heroku.com/articles/platform-api-reference#authentication",
  },
  // Operations
  {
    id: "sentry",
    name: "Sentry",
    hosts: ["sentry.io", "us.sentry.io", "de.sentry.io"],
    path: "/api/",
    placeholders: { SENTRY_AUTH_TOKEN: placeholderHexKey("sntryu_", 71, "sentry") },
    docs: "https://docs.sentry.io/api/auth/",
  },
  {
    id: "datadog",
    name: "Datadog",
    hosts: [
      "api.datadoghq.com",
      "api.us3.datadoghq.com",
      "api.us5.datadoghq.com",
      "api.ap1.datadoghq.com",
      "api.datadoghq.eu",
      "api.ddog-gov.com",
    ],
    placement: header("DD-API-KEY"),
    placeholders: {
      DD_API_KEY: placeholderHexKey("", 32, "datadog"),
      DATADOG_API_KEY: placeholderHexKey("", 32, "datadog"),
    },
    docs: "https://docs.datadoghq.com/api/latest/authentication/",
  },
  {
    id: "newrelic",
    name: "New Relic",
    hosts: ["api.newrelic.com", "api.eu.newrelic.com"],
    placement: header("API-Key"),
    credentials: ["api-key", "x-api-key"],
    placeholders: { NEW_RELIC_API_KEY: placeholderKey("NRAK-", 32, "newrelic") },
    docs: "https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/",
  },
  {
    id: "pagerduty",
    name: "PagerDuty",
    hosts: ["api.pagerduty.com", "api.eu.pagerduty.com"],
    placement: authorization("Token token={value}"),
    placeholders: { PAGERDUTY_TOKEN: placeholderKey("", 20, "pagerduty") },
    docs: "https://developer.pagerduty.com/docs/authentication",
  },
  // Work
  {
    id: "slack",
    name: "Slack",
    hosts: ["slack.com"],
    path: "/api/",
    placeholders: { SLACK_BOT_TOKEN: placeholderKey("xoxb-", 56, "slack") },
    docs: "https://docs.slack.dev/apis/web-api/",
  },
  {
    id: "discord",
    name: "Discord",
    hosts: ["discord.com"],
    path: "/api/",
    placement: authorization("Bot {value}"),
    placeholders: {
      DISCORD_TOKEN: placeholderKey("", 72, "discord"),
      DISCORD_BOT_TOKEN: placeholderKey("", 72, "discord"),
    },
    docs: "https://discord.com/developers/docs/reference#authentication",
  },
  {
    id: "notion",
    name: "Notion",
    hosts: ["api.notion.com"],
    placeholders: {
      NOTION_TOKEN: placeholderKey("ntn_", 50, "notion"),
      NOTION_API_KEY: placeholderKey("ntn_", 50, "notion"),
    },
    docs: "https://developers.notion.com/reference/authentication",
  },
  {
    id: "linear",
    name: "Linear",
    hosts: ["api.linear.app"],
    // A personal API key stands alone; an OAuth token needs a rule of its own with Bearer.
    placement: authorization("{value}"),
    placeholders: { LINEAR_API_KEY: placeholderKey("lin_api_", 48, "linear") },
    docs: "https://linear.app/developers/graphql",
  },
  {
    id: "atlassian",
    name: "Atlassian (Jira, Confluence)",
    hosts: ["*.atlassian.net"],
    username: "the e-mail address of your Atlassian account",
    placeholders: {
      JIRA_API_TOKEN: placeholderKey("ATATT3", 192, "atlassian"),
      CONFLUENCE_API_TOKEN: placeholderKey("ATATT3", 192, "atlassian"),
    },
    docs: "https://developer.atlassian.com/cloud/jira/platform/basic-auth-for-rest-apis/",
  },
  {
    id: "airtable",
    name: "Airtable",
    hosts: ["api.airtable.com"],
    placeholders: { AIRTABLE_API_KEY: placeholderKey("pat", 82, "airtable") },
    docs: "https://airtable.com/developers/web/api/authentication",
  },
  {
    id: "figma",
    name: "Figma",
    hosts: ["api.figma.com"],
    placement: header("X-Figma-Token"),
    credentials: ["x-figma-token", "authorization"],
    placeholders: { FIGMA_API_KEY: placeholderKey("figd_", 45, "figma") },
    docs: "https://developers.figma.com/docs/rest-api/authentication/",
  },
  {
    id: "hubspot",
    name: "HubSpot",
    hosts: ["api.hubapi.com"],
    placeholders: {},
    docs: "https://developers.hubspot.com/docs/apps/legacy-apps/authentication/intro-to-auth",
  },
  // Payment and mail
  {
    id: "stripe",
    name: "Stripe",
    hosts: ["api.stripe.com"],
    placeholders: {
      STRIPE_API_KEY: placeholderKey("sk_test_", 107, "stripe"),
      STRIPE_SECRET_KEY: placeholderKey("sk_test_", 107, "stripe"),
    },
    docs: "https://docs.stripe.com/api/authentication",
  },
  {
    id: "shopify",
    name: "Shopify (Admin API)",
    hosts: ["*.myshopify.com"],
    placement: header("X-Shopify-Access-Token"),
    placeholders: {},
    docs: "https://shopify.dev/docs/api/admin-rest#authentication",
  },
  {
    id: "twilio",
    name: "Twilio",
    hosts: ["api.twilio.com"],
    username: "the SID of your Twilio account or API key",
    placeholders: { TWILIO_AUTH_TOKEN: placeholderHexKey("", 32, "twilio") },
    docs: "https://www.twilio.com/docs/usage/requests-to-twilio",
  },
  {
    id: "sendgrid",
    name: "SendGrid",
    hosts: ["api.sendgrid.com"],
    placeholders: { SENDGRID_API_KEY: placeholderKey("SG.", 69, "sendgrid") },
    docs: "https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/authentication",
  },
  {
    id: "mailgun",
    name: "Mailgun",
    hosts: ["api.mailgun.net", "api.eu.mailgun.net"],
    placement: basic("api"),
    placeholders: { MAILGUN_API_KEY: placeholderHexKey("", 50, "mailgun") },
    docs: "https://documentation.mailgun.com/docs/mailgun/api-reference/authentication",
  },
  {
    id: "resend",
    name: "Resend",
    hosts: ["api.resend.com"],
    placeholders: { RESEND_API_KEY: placeholderKey("re_", 36, "resend") },
    docs: "https://resend.com/docs/api-reference/introduction",
  },
  // Maps and weather
  {
    id: "google-maps",
    name: "Google Maps",
    hosts: ["maps.googleapis.com"],
    placement: query("key"),
    placeholders: { GOOGLE_MAPS_API_KEY: placeholderKey("AIza", 39, "google-maps") },
    docs: "https://developers.google.com/maps/documentation/geocoding/get-api-key",
  },
  {
    id: "openweather",
    name: "OpenWeather",
    hosts: ["api.openweathermap.org"],
    placement: query("appid"),
    placeholders: {
      OPENWEATHER_API_KEY: placeholderHexKey("", 32, "openweather"),
      OPENWEATHERMAP_API_KEY: placeholderHexKey("", 32, "openweather"),
    },
    docs: "https://openweathermap.org/appid",
  },
];
