// A window that uses the gateway of a team: the real `onecli-gateway serve`, its API and its proxy by TLS.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { GatewayClient } from "../../src/doctor/gatewayClient.ts";
import {
  askConnection,
  type Confirmation,
  type TeamQuestions,
} from "../../src/vscode/commands/teamGateway.ts";
import { explain } from "../../src/vscode/errorText.ts";
import { type TeamConnection, TeamStore } from "../../src/vscode/teamStore.ts";
import { startWorld, type World } from "../demo/world.ts";
import { killPrograms, Program } from "../support/program.ts";
import { agent, type Served, TeamWorld } from "../support/teamGateway.ts";
import { openTls, requestHead } from "../support/wire.ts";
import { MemorySecrets, MemoryState } from "../unit/vscode/memory.ts";
import { TestWindow } from "./window.ts";

const anthropic = { hostname: "api.anthropic.com", reference: "op://API Keys/Anthropic/credential" };
const openai = { hostname: "api.openai.com", reference: "op://API Keys/OpenAI/api-key" };
const github = { hostname: "api.github.com", reference: "op://Dev Tokens/GitHub/token" };

describe("a window with a team's gateway", function () {
  this.timeout(60_000);
  let world: World;
  let team: TeamWorld;
  let secrets: MemorySecrets;
  const windows: TestWindow[] = [];

  before(async () => {
    world = await startWorld();
    team = await TeamWorld.create(world);
  });
  after(async () => {
    await world.stop();
    await team.remove();
  });
  beforeEach(() => {
    secrets = new MemorySecrets();
    world.upstream.reset();
  });
  afterEach(async () => {
    await Promise.all(windows.splice(0).map((window) => window.remove()));
    await killPrograms();
  });

  const trusted = () => [team.listener.certificate];
  const serve = (changes: Parameters<TeamWorld["serve"]>[0] = {}, again?: Served) =>
    team.serve({ mappings: [anthropic], ...changes }, again);

  /** A person who types what belongs to `served`. */
  function person({ url, token }: Pick<Served, "url" | "token">, changes: Partial<TeamQuestions> = {}) {
    const confirmations: Confirmation[] = [];
    const questions: TeamQuestions = {
      url: () => Promise.resolve(url),
      token: () => Promise.resolve(token),
      proxy: (suggestion) => Promise.resolve(suggestion),
      agent: () => Promise.resolve(agent),
      password: () => Promise.resolve(team.password),
      confirm: (confirmation) => {
        confirmations.push(confirmation);
        return Promise.resolve(true);
      },
      wait: (work) => work,
      ...changes,
    };
    return { questions, confirmations };
  }

  async function connectionTo(
    served: Served,
    changes: Partial<TeamConnection> = {},
  ): Promise<TeamConnection> {
    const made = await askConnection(person(served).questions, "", undefined, trusted());
    assert.ok(made);
    return { ...made, ...changes };
  }

  async function open(gatewayUrl = "", options: { state?: MemoryState; folder?: string } = {}) {
    const window = await TestWindow.open(
      secrets,
      {
        gatewayUrl,
        parentProxy: world.parent.url,
        extraCaCertificates: team.extraCaCertificates,
      },
      options,
    );
    windows.push(window);
    return window;
  }

  /** As the command does after the person's yes. */
  async function use(window: TestWindow, connection: TeamConnection): Promise<void> {
    await window.session.storeTeamConnection(connection);
    window.settings = { ...window.settings, gatewayUrl: connection.url };
    await window.session.restart();
    await window.session.checkTeam();
  }

  async function openTeam(served: Served, changes: Partial<TeamConnection> = {}): Promise<TestWindow> {
    const window = await open();
    await use(window, await connectionTo(served, changes));
    return window;
  }

  const ids = ({ session }: TestWindow) => session.entries.map(({ id }) => id);

  it("shows the CA's fingerprint before anything is kept, and keeps nothing without a yes", async () => {
    const served = await serve();
    const { questions, confirmations } = person(served);
    const connection = await askConnection(questions, "", undefined, trusted());
    const ca = await readFile(served.line.ca, "utf8");
    assert.equal(confirmations.length, 1);
    assert.ok(confirmations[0]!.detail.includes(new X509Certificate(ca).fingerprint256));
    assert.equal(connection?.proxy, `https://localhost:${new URL(served.line.proxy).port}`);
    assert.equal(
      new X509Certificate(connection.certificate).fingerprint256,
      new X509Certificate(ca).fingerprint256,
    );
    const refusing = person(served, { confirm: () => Promise.resolve(false) });
    assert.equal(await askConnection(refusing.questions, "", undefined, trusted()), undefined);
    assert.deepEqual([...secrets.values.keys()], []);
  });

  it("asks for no yes again where the CA is as it was, and takes what is stored for what is left empty", async () => {
    const served = await serve();
    const connection = await connectionTo(served);
    const empty = () => Promise.resolve("");
    const { questions, confirmations } = person(served, { token: empty, password: empty });
    assert.deepEqual(await askConnection(questions, served.url, connection, trusted()), connection);
    assert.deepEqual(confirmations, []);
    const elsewhere = { ...connection, url: "https://elsewhere.example" };
    await assert.rejects(
      askConnection(questions, served.url, elsewhere, trusted()),
      /does not accept the API token/,
    );
  });

  it("leads terminals to the team's gateway, which sets its secrets", async () => {
    const window = await openTeam(await serve());
    assert.equal(window.session.team?.problem, undefined);
    assert.deepEqual(ids(window), [anthropic.hostname]);
    assert.equal((await window.get(anthropic.hostname)).status, 200);
    assert.equal(world.upstream.received.at(-1)?.headers["x-api-key"], world.secrets.anthropic);
    const { set } = window.session.environment!;
    const curl = ["--silent", "--show-error", "--output", "-", `https://${anthropic.hostname}/v1/models`];
    const outcome = await new Program("curl", curl, { env: team.env(set) }).ended;
    assert.deepEqual([outcome.status, outcome.stdout], [0, '{"ok":true}'], outcome.stderr);
    assert.equal(world.upstream.received.length, 2);
    assert.equal(world.upstream.received[1]?.headers["x-api-key"], world.secrets.anthropic);
  });

  it("keeps token and password sealed, and out of terminals", async () => {
    const served = await serve();
    const window = await openTeam(served);
    const stored = [...secrets.values.values()].join("\n");
    const variables = JSON.stringify(window.session.environment);
    for (const secret of [served.token, team.password]) {
      assert.ok(!stored.includes(secret), "not in SecretStorage in clear");
      assert.ok(!variables.includes(secret), "not in terminals");
    }
    assert.equal((await new TeamStore(secrets, window.folder).read())?.password, team.password);
  });

  it("writes mappings where the team has them, and leaves those of the workspace alone", async () => {
    const served = await serve();
    const window = await open();
    await window.session.saveMapping(github);
    await use(window, await connectionTo(served));
    assert.deepEqual(ids(window), [anthropic.hostname], "the workspace's own is not shown");
    await window.session.saveMapping(openai);
    assert.deepEqual(await team.mappings(), [anthropic, openai]);
    assert.deepEqual(ids(window), [anthropic.hostname, openai.hostname]);
    await assert.rejects(window.session.saveMapping(openai), /is mapped already/);
    await window.session.saveMapping({ ...openai, path: "/v1" }, openai.hostname);
    assert.deepEqual(ids(window), [anthropic.hostname, "api.openai.com/v1/"]);
    await window.session.removeMapping("api.openai.com/v1/");
    await window.session.saveMapping({ ...anthropic, enabled: false }, anthropic.hostname);
    assert.deepEqual(await team.mappings(), [{ ...anthropic, enabled: false }]);
    await window.session.storeTeamConnection(undefined);
    window.settings = { ...window.settings, gatewayUrl: "" };
    await window.session.restart();
    assert.equal(window.session.team, undefined);
    assert.deepEqual(ids(window), [github.hostname], "as it was");
    assert.deepEqual(
      [...secrets.values.keys()].filter((key) => key.includes("team")),
      [],
    );
  });

  it("says in the team's words that it takes no writes", async () => {
    const window = await openTeam(await serve({ api: { writes: false } }));
    await assert.rejects(window.session.saveMapping(openai), (error) => {
      assert.match(explain(error), /does not allow the API to change .*writes-not-allowed.*"writes": true/);
      return true;
    });
    assert.deepEqual(ids(window), [anthropic.hostname]);
  });

  it("shows, while the view is open, what others change", async () => {
    const window = await openTeam(await serve());
    window.session.showMappings({}, true);
    const [before] = window.session.entries;
    await team.writeMappings([anthropic, openai]);
    await window.until(() => ids(window).includes(openai.hostname));
    assert.equal(window.session.entries[0], before, "what is as it was keeps its row");
  });

  it("shows how the team's mappings fare, tests and explains them", async () => {
    const broken = { ...github, reference: "op://Dev Tokens/No such item/token" };
    const { session, get } = await openTeam(await serve({ mappings: [anthropic, broken] })).then(
      (window) => ({
        session: window.session,
        get: window.get.bind(window),
      }),
    );
    const [good, bad] = session.entries;
    assert.ok(good && bad);
    assert.deepEqual(session.stateOf(good), { kind: "unused" });
    await session.testEntry(good);
    await assert.rejects(session.testEntry(bad), /reference-not-found/);
    await get(anthropic.hostname);
    assert.equal((await get(github.hostname)).status, 424);
    await session.checkTeam();
    const state = session.stateOf(good);
    assert.ok(state.kind === "ready" && state.lastUse !== undefined);
    assert.equal(session.stateOf(bad).kind, "error");
    const explanation = await session.explainRequest(anthropic.hostname, "/v1/messages");
    assert.deepEqual([explanation.result, explanation.sets], ["injected", "header x-api-key"]);
  });

  it("tells of requests of this window's agent that the team's gateway refused", async () => {
    const broken = { ...github, reference: "op://Dev Tokens/No such item/token" };
    const window = await openTeam(await serve({ mappings: [broken] }));
    await window.get(github.hostname);
    await window.session.checkTeam();
    assert.deepEqual(window.failures, [{ code: "reference-not-found", host: github.hostname }]);
    await window.session.checkTeam();
    assert.equal(window.failures.length, 1, "once");
  });

  it("connects and disconnects the team's 1Password, and keeps nothing of the token here", async () => {
    const { session } = await openTeam(await serve());
    const account = () => session.account.kind;
    assert.equal(account(), "present");
    await session.disconnect();
    assert.equal(account(), "none");
    assert.equal((await session.connect(world.service.token, () => false))?.vaults, 2);
    assert.equal(account(), "present");
    assert.equal(secrets.values.has("onecli.account"), false);
  });

  it("refuses what only a gateway of its own has, and says how to get back", async () => {
    const window = await openTeam(await serve());
    const { session } = window;
    const back = /team gateway is used.*Stop Using It/;
    const input = { hostname: "api.example.com", name: "ours" };
    await assert.rejects(session.addStoredSecret(input, "value"), back);
    await assert.rejects(session.test(openai.reference), back);
    assert.throws(() => session.clearCache(), back);
    window.settings = { ...window.settings, apiEnabled: true };
    await assert.rejects(session.apiAccess(), back);
    assert.deepEqual(session.storedSecrets, []);
  });

  it("sends nothing to a gateway whose CA has changed, until it is confirmed again", async () => {
    const served = await serve();
    const window = await openTeam(served);
    const authority = await team.newAuthority();
    const again = await serve({ authority }, served);
    await window.session.checkTeam();
    assert.match(window.session.team?.problem ?? "", /is not the one that you have confirmed.*Change…/);
    await window.until(() => window.session.gateway.kind === "stopped");
    assert.equal(window.session.environment, undefined);
    await assert.rejects(window.session.ensureEnvironment(), /is not the one that you have confirmed/);
    await assert.rejects(window.session.saveMapping(openai), /is not the one that you have confirmed/);
    const { questions, confirmations } = person(again);
    const former = await window.session.teamConnection();
    const confirmed = await askConnection(questions, again.url, former, trusted());
    assert.match(confirmations[0]!.message, /another one than you have confirmed/);
    await use(window, confirmed!);
    assert.equal(window.session.team?.problem, undefined);
    assert.equal((await window.get(anthropic.hostname)).status, 200);
  });

  it("uses no gateway that the setting names and nobody has confirmed", async () => {
    const { session } = await open("https://gateway.example.com:8443/");
    assert.match(session.team?.problem ?? "", /gateway\.example\.com:8443.*Use Team Gateway…/);
    assert.equal(session.gateway.kind, "stopped");
    await assert.rejects(session.ensureEnvironment(), /nobody has confirmed it/);
    await assert.rejects(session.saveMapping(openai), /nobody has confirmed it/);
  });

  it("says that the agent's name or password is refused", async () => {
    const served = await serve();
    for (const changes of [{ password: "wrong" }, { agent: "laptop-8" }]) {
      const { session } = await openTeam(served, changes);
      assert.match(session.team?.problem ?? "", /answered 407.*user name and password.*Change…/);
    }
  });

  it("goes on with terminals while the API is away, and says so; then all is well again", async () => {
    const served = await serve();
    const window = await openTeam(served);
    served.program.kill("SIGTERM");
    await served.program.ended;
    await window.session.checkTeam();
    assert.match(window.session.team?.problem ?? "", /cannot be reached \(ECONNREFUSED\)/);
    assert.deepEqual(ids(window), [anthropic.hostname], "as they were");
    assert.equal(window.session.gateway.kind, "running");
    await serve({}, served);
    await window.session.checkTeam();
    assert.equal(window.session.team?.problem, undefined);
    assert.equal((await window.get(anthropic.hostname)).status, 200);
  });

  it("is the same after a reload, without a question", async () => {
    const served = await serve();
    const first = await openTeam(served);
    const state = new MemoryState();
    const second = await open(served.url, { state, folder: first.folder });
    assert.equal(second.session.team?.problem, undefined);
    assert.deepEqual(ids(second), [anthropic.hostname]);
    assert.equal((await second.get(anthropic.hostname)).status, 200);
    await first.session.storeTeamConnection(await connectionTo(served, { password: "changed" }));
    await second.until(() => second.session.team?.problem?.includes("407") === true);
  });

  it("leads the doctor to the team's gateway", async () => {
    const window = await openTeam(await serve());
    const { set } = window.session.environment!;
    const proxy = new URL(set["HTTP_PROXY"]!);
    const doctor = new GatewayClient(proxy.href);
    const run = await doctor.open();
    const host = `probe-1.${run.domain}`;
    const endpoint = { port: Number(proxy.port), username: proxy.username, password: proxy.password };
    const wire = await openTls(endpoint, `${host}:443`, {
      ca: await readFile(set["SSL_CERT_FILE"]!, "utf8"),
    });
    wire.send(requestHead("GET /", `Host: ${host}`));
    assert.equal((await wire.answer()).status, 200);
    wire.socket.destroy();
    assert.equal((await doctor.evidence(run)).hosts["probe-1"]?.arrived, 1);
    await doctor.close(run);
  });

  describe("says what is wrong, with the fix:", () => {
    let served: Served;
    beforeEach(async () => {
      served = await serve();
    });

    for (const [what, message, changes, extra] of [
      ["a wrong token", /does not accept the API token.*token file/, { token: "x".repeat(43) }],
      ["a certificate that nobody trusts", /is not trusted \(\w+\).*onecli\.extraCaCertificates/, {}, []],
      [
        "a name that the certificate is not for",
        /certificate .* is not for 127\.0\.0\.1/,
        { name: "127.0.0.1" },
      ],
      ["an address where nobody listens", /cannot be reached \(ECONNREFUSED\)/, { port: "1" }],
      ["the address of the proxy", /no API of a OneCLI gateway.*not of the proxy/, { port: "proxy" }],
    ] as readonly [
      string,
      RegExp,
      { readonly token?: string; readonly name?: string; readonly port?: string },
      string[]?,
    ][]) {
      it(what, async () => {
        const url = new URL(served.url);
        url.hostname = changes.name ?? url.hostname;
        url.port = changes.port === "proxy" ? new URL(served.line.proxy).port : (changes.port ?? url.port);
        const { questions } = person({ url: url.origin, token: changes.token ?? served.token });
        await assert.rejects(askConnection(questions, "", undefined, extra ?? trusted()), (error) => {
          assert.match(explain(error), message);
          assert.ok(!explain(error).includes(served.token));
          return true;
        });
      });
    }

    for (const [what, url, message] of [
      ["no URL", "gateway", /is no URL/],
      ["plain http beyond this machine", "http://gateway.example:8080", /plain http.*in clear/],
      ["a login in the address", "https://a:hidden-word@gateway.example", /user name or password in it/],
      ["a path", "https://gateway.example/api", /more than scheme, host and port/],
      ["another scheme", "ftp://gateway.example", /neither https/],
    ] as const) {
      it(what, async () => {
        const { questions } = person({ url, token: served.token });
        await assert.rejects(askConnection(questions, "", undefined, trusted()), (error) => {
          assert.match(explain(error), message);
          assert.ok(!explain(error).includes("hidden-word"));
          return true;
        });
      });
    }
  });
});
