// Dockerfile, compose.yaml and deploy/kubernetes: that they are well-formed, agree with each other, and that what the image
// holds, started as the manifests say, is a gateway.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, copyFile, cp, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { basename, dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { type Copy, DockerfileParser, type From, JSONInstruction } from "dockerfile-ast";
import { validate } from "dockerfile-utils";
import ts from "typescript";
import { parseAllDocuments, parse as parseYaml } from "yaml";
import { type IncomingMessage } from "node:http";
import { TestAuthority } from "../support/certificates.ts";
import { type HeadlessWorld, secrets, startHeadlessWorld } from "../support/headlessWorld.ts";
import { killPrograms, Program, runProgram } from "../support/program.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string) => readFile(join(root, path), "utf8");

/** What the manifests are made of, as far as the tests look at it. */
interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

const manifestFiles = [
  "configmap",
  "deployment",
  "service",
  "networkpolicy",
  "horizontalpodautoscaler",
  "poddisruptionbudget",
  "secrets.example",
] as const;

describe("deployment", () => {
  describe("manifests for Kubernetes", () => {
    let manifests: Manifest[];
    before(async () => {
      const files = await Promise.all(manifestFiles.map((name) => read(`deploy/kubernetes/${name}.yaml`)));
      manifests = files.flatMap(documents);
    });

    function only(kind: string) {
      const found = manifests.filter((manifest) => manifest.kind === kind);
      assert.equal(found.length, 1, kind);
      return found[0]! as unknown as Record<string, unknown> & Manifest;
    }

    it("are what the API of Kubernetes takes, with no unknown key", async function () {
      this.timeout(60_000);
      assert.deepEqual(typeErrors(manifests), []);
      for (const manifest of manifests) {
        const { constructor, file } = await modelOf(manifest);
        assert.doesNotThrow(() => new constructor(manifest).validate(), file);
      }
    });

    it("would be refused with an unknown key, a missing one or one of another type", function () {
      this.timeout(60_000);
      const deployment = JSON.stringify(only("Deployment"));
      for (const [from, to] of [
        ['"readOnlyRootFilesystem"', '"readOnlyRootFileSystem"'],
        ['"containerPort":8080', '"containerPort":"8080"'],
        ['"selector":{"matchLabels":{"app.kubernetes.io/name":"onecli-gateway"}},', ""],
      ] as const) {
        const broken = deployment.replace(from, to);
        assert.notEqual(broken, deployment, from);
        assert.notDeepEqual(typeErrors([JSON.parse(broken) as Manifest]), [], from);
      }
    });

    it("are all part of the kustomization, but for the example of the Secrets", async () => {
      const { resources, images } = parseYaml(await read("deploy/kubernetes/kustomization.yaml")) as {
        resources: string[];
        images: { name: string; newTag: string }[];
      };
      const there = await readdir(join(root, "deploy/kubernetes"));
      assert.deepEqual([...resources, "kustomization.yaml", "secrets.example.yaml"].sort(), there.sort());
      const { version } = JSON.parse(await read("package.json")) as { version: string };
      const [{ image }] = podSpec(only("Deployment")).containers;
      assert.equal(image, `${images[0]!.name}:${images[0]!.newTag}`);
      assert.equal(images[0]!.newTag, version);
    });

    it("agree on names, ports, labels and files", () => {
      const deployment = only("Deployment");
      const pod = podSpec(deployment);
      const [container] = pod.containers;
      const ports = new Map(container.ports.map(({ name, containerPort }) => [name, containerPort]));
      const config = gatewayConfig(only("ConfigMap"));
      assert.deepEqual(Object.fromEntries(ports), { proxy: config.listen.port, api: config.api.port });

      const podLabels = (deployment as never as { spec: { template: { metadata: { labels: object } } } }).spec
        .template.metadata.labels;
      const selectors = [
        (deployment as never as { spec: { selector: { matchLabels: object } } }).spec.selector.matchLabels,
        (only("Service") as never as { spec: { selector: object } }).spec.selector,
        (only("NetworkPolicy") as never as { spec: { podSelector: { matchLabels: object } } }).spec
          .podSelector.matchLabels,
        (only("PodDisruptionBudget") as never as { spec: { selector: { matchLabels: object } } }).spec
          .selector.matchLabels,
      ];
      for (const selector of selectors) {
        assert.deepEqual(selector, podLabels);
      }
      const scaler = only("HorizontalPodAutoscaler") as never as {
        spec: { scaleTargetRef: object; minReplicas: number };
      };
      const { apiVersion, kind, metadata } = deployment;
      assert.deepEqual(scaler.spec.scaleTargetRef, { apiVersion, kind, name: metadata.name });
      assert.equal(
        scaler.spec.minReplicas,
        (deployment as never as { spec: { replicas: number } }).spec.replicas,
      );

      const named = [
        ...[container.startupProbe, container.livenessProbe, container.readinessProbe].map(
          ({ httpGet }) => httpGet.port,
        ),
        ...(only("Service") as never as { spec: { ports: { targetPort: string }[] } }).spec.ports.map(
          ({ targetPort }) => targetPort,
        ),
        ...(
          only("NetworkPolicy") as never as { spec: { ingress: { ports: { port: string }[] }[] } }
        ).spec.ingress.flatMap((rule) => rule.ports.map(({ port }) => port)),
      ];
      assert.deepEqual(
        named.filter((port) => !ports.has(port)),
        [],
      );

      assert.deepEqual(
        pod.volumes.map(({ name }) => name).sort(),
        container.volumeMounts.map(({ name }) => name).sort(),
      );
      const mounts = mountedFiles(manifests, pod);
      const needed = [
        ...container.args.filter((arg) => arg.startsWith("/")),
        config.listen.tls.certificate,
        config.listen.tls.key,
        config.authority.certificate,
        config.authority.key,
        config.api.tokenFile,
      ];
      assert.deepEqual(
        needed.filter((file) => !mounts.has(file)),
        [],
      );
      assert.deepEqual(
        [...mounts.keys()].filter((file) => !needed.includes(file)),
        [],
        "mounted for nothing",
      );
      assert.ok(
        container.volumeMounts.every((mount) => !("subPath" in mount)),
        "subPath is never updated",
      );
      assert.equal(container.volumeMounts.find(({ name }) => name === "state")?.mountPath, config.dataDir);
      assert.ok(pod.terminationGracePeriodSeconds > config.stopDelay + 5);
    });

    it("give the gateway no right that it does not need", () => {
      const pod = podSpec(only("Deployment"));
      assert.equal(pod.automountServiceAccountToken, false);
      assert.deepEqual(
        [
          pod.securityContext.runAsNonRoot,
          pod.securityContext.runAsUser,
          pod.securityContext.seccompProfile.type,
        ],
        [true, 65532, "RuntimeDefault"],
      );
      assert.deepEqual(pod.containers[0].securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
    });
  });

  describe("the Dockerfile", () => {
    it("has no fault that the linter knows, and follows the rules for images", async () => {
      const source = await read("Dockerfile");
      assert.deepEqual(validate(source), []);
      const file = DockerfileParser.parse(source);
      const instructions = file.getInstructions();
      for (const from of file.getFROMs()) {
        const tag = from.getImageTag();
        assert.ok(tag !== null && tag !== "latest", `${from.getImage() ?? ""} has a tag (DL3006, DL3007)`);
      }
      const keywords = instructions.map((instruction) => instruction.getKeyword());
      assert.ok(!keywords.includes("ADD"), "COPY instead of ADD (DL3020)");
      assert.ok(!keywords.includes("MAINTAINER"), "(DL4000)");
      for (const name of ["ENTRYPOINT", "CMD"]) {
        assert.equal(
          keywords.filter((keyword) => keyword === name).length,
          1,
          `one ${name} (DL4003, DL4004)`,
        );
      }
      const last = lastStage(source);
      assert.equal(last.of("USER")[0], "65532:65532", "not root, by number: so Kubernetes can tell (DL3002)");
      assert.equal(last.of("RUN").length, 0, "there is no shell");
      assert.ok(
        last.of("WORKDIR").every((path) => path.startsWith("/")),
        "(DL3000)",
      );
      assert.ok(!/\b(sudo|apt-get|curl|wget|npm install)\b/.test(source));
    });

    it("gets from its context all that it copies, and nothing else", async () => {
      const allowed = (await read(".dockerignore"))
        .split("\n")
        .flatMap((line) => (line.startsWith("!") ? [line.slice(1)] : []));
      const copied = DockerfileParser.parse(await read("Dockerfile"))
        .getCOPYs()
        .filter((copy) => !isFromStage(copy))
        .flatMap((copy) =>
          copy
            .getArguments()
            .map((argument) => argument.getValue())
            .slice(0, -1),
        );
      assert.deepEqual(copied.sort(), allowed.sort());
      assert.ok(copied.every((name) => existsSync(join(root, name))));
    });
  });

  describe("compose.yaml", () => {
    it("starts the image as the Dockerfile makes it, with files that are there", async () => {
      const compose = parseYaml(await read("compose.yaml")) as {
        services: {
          gateway: Record<string, unknown> & {
            command: string[];
            volumes: string[];
            secrets: string[];
            ports: string[];
          };
        };
        secrets: Record<string, { file: string }>;
        volumes: Record<string, unknown>;
      };
      const { gateway } = compose.services;
      const config = JSON.parse(await read("deploy/compose/onecli.json")) as {
        listen: { port: number };
        api: { port: number };
        dataDir: string;
      };
      const mounts = new Map(
        gateway.volumes
          .map((volume) => volume.split(":") as [string, string])
          .map(([from, to]) => [to, from]),
      );
      assert.equal(mounts.get("/etc/onecli"), "./deploy/compose");
      assert.ok(Object.hasOwn(compose.volumes, mounts.get(config.dataDir) ?? ""));
      assert.deepEqual(gateway.secrets, Object.keys(compose.secrets));
      assert.deepEqual(gateway.command, [
        "serve",
        "--config",
        "/etc/onecli/onecli.json",
        "--token-file",
        `/run/secrets/${gateway.secrets[0]!}`,
      ]);
      const { listen, api } = config;
      assert.deepEqual(
        gateway.ports,
        [listen.port, api.port].map((port) => `127.0.0.1:${port}:${port}`),
      );
      assert.deepEqual(
        [gateway["read_only"], gateway["cap_drop"], gateway["security_opt"]],
        [true, ["ALL"], ["no-new-privileges:true"]],
      );
      assert.deepEqual(lastStage(await read("Dockerfile")).of("EXPOSE"), [`${listen.port} ${api.port}`]);
      const ignored = (await read(".gitignore")).split("\n");
      assert.ok(
        ignored.includes(basename(compose.secrets[gateway.secrets[0]!]!.file)),
        "git never sees the token",
      );
    });
  });

  describe("the image", () => {
    let world: HeadlessWorld;
    before(async () => {
      world = await startHeadlessWorld();
      await chmod(world.folder, 0o755);
    });
    after(() => world.stop());
    afterEach(killPrograms);

    it("holds a gateway that runs as the manifests start it: read-only, as a user of no name, with nothing but its own environment", async () => {
      const image = await unpackImage(await world.newFolder(), await world.newFolder());
      const manifests = (
        await Promise.all(manifestFiles.map((name) => read(`deploy/kubernetes/${name}.yaml`)))
      ).flatMap(documents);
      const deployment = manifests.find(({ kind }) => kind === "Deployment")!;
      const [container] = podSpec(deployment).containers;

      // What the mounts hold: Secrets as an operator makes them, and the ConfigMap with what leads to the test's servers.
      const made = JSON.parse((await runProgram(["agent", "ci-1"], { env: world.env() })).stdout) as {
        password: string;
        entry: object;
      };
      const authority = join(await world.newFolder(), "authority");
      await runProgram(["authority", "--out", authority], { env: world.env() });
      const proxyAuthority = await TestAuthority.create("Proxy CA");
      const { cert, key } = await proxyAuthority.issue({ names: ["localhost", "127.0.0.1"] });
      const apiToken = "a".repeat(64);
      const config = gatewayConfig(manifests.find(({ kind }) => kind === "ConfigMap"));
      const files: Record<string, string> = {
        "/run/onecli/token/token": world.service.token,
        "/run/onecli/tls/tls.crt": cert,
        "/run/onecli/tls/tls.key": key,
        "/run/onecli/authority/certificate.pem": await readFile(join(authority, "certificate.pem"), "utf8"),
        "/run/onecli/authority/key.pem": await readFile(join(authority, "key.pem"), "utf8"),
        "/run/onecli/api/token": apiToken,
        "/etc/onecli/upstream-ca.pem": world.authority.certificate,
        "/etc/onecli/onecli.json": JSON.stringify({
          ...config,
          mappings: [{ hostname: "api.openai.com", reference: "op://API Keys/OpenAI/api-key" }],
          agents: [made.entry],
          listen: { ...config.listen, port: 0 },
          api: { ...config.api, port: 0 },
          stopDelay: 0,
          parentProxy: world.parent.url,
          extraCaCertificates: ["/etc/onecli/upstream-ca.pem"],
        }),
      };
      for (const [file, content] of Object.entries(files)) {
        await mkdir(dirname(join(image.folder, file)), { recursive: true });
        await writeFile(
          join(image.folder, file),
          content.replaceAll(/"(?=\/(?:run|etc|var)\/)/g, `"${image.folder}`),
        );
      }
      const inside = (path: string) => (path.startsWith("/") ? join(image.folder, path) : path);
      const before = await image.seal();
      const program = new Program(process.execPath, [...image.entrypoint, ...container.args].map(inside), {
        env: Object.fromEntries(image.env.map(([name, value]) => [name, inside(value)])),
        cwd: inside("/app"),
        ...image.user,
      });
      const line = await program.serving();
      const proxyPort = new URL(line.proxy).port;
      const bundle = join(await world.newFolder(), "ca.pem");
      await writeFile(bundle, files["/run/onecli/authority/certificate.pem"]!);
      await writeFile(`${bundle}.proxy`, proxyAuthority.certificate);
      const curl = ["--silent", "--show-error", "--cacert", bundle, "--proxy-cacert", `${bundle}.proxy`];
      const proxy = ["--proxy", `https://ci-1:${made.password}@localhost:${proxyPort}`];
      const { stdout, stderr } = await new Program(
        "curl",
        [...curl, ...proxy, "https://api.openai.com/v1/models"],
        { env: world.env() },
      ).ended;
      assert.equal(stdout, '{"ok":true}', stderr + program.stderr);
      assert.equal(world.upstream.received.at(-1)?.headers.authorization, `Bearer ${secrets.openai}`);

      const apiPort = Number(new URL(line.api!.url).port);
      const ca = proxyAuthority.certificate;
      for (const { httpGet } of [container.startupProbe, container.livenessProbe, container.readinessProbe]) {
        assert.equal(httpGet.scheme, "HTTPS");
        assert.equal((await get(apiPort, httpGet.path, ca)).status, 200, httpGet.path);
      }
      assert.equal((await get(apiPort, "/metrics", ca)).status, 401);
      const metrics = await get(apiPort, "/metrics", ca, apiToken);
      assert.match(
        metrics.body,
        /^onecli_requests_total\{kind="request",source="1password",mapping="api\.openai\.com",status="2xx",error=""\} 1$/m,
      );

      program.kill("SIGTERM");
      assert.equal((await program.exited).status, 0);
      assert.deepEqual(await image.list(), before, "nothing was written but to the state");
      assert.ok((await readdir(inside("/var/lib/onecli"))).some((name) => name.startsWith("bundle-")));
      await image.unseal();
    });
  });
});

function documents(source: string): Manifest[] {
  return parseAllDocuments(source).map((document) => {
    assert.deepEqual([...document.errors, ...document.warnings], []);
    return document.toJS() as Manifest;
  });
}

/** Where kubernetes-models has a kind: its types, which know every key, and its validation, which knows formats. */
function modelFile({ apiVersion, kind }: Manifest): string {
  const group = apiVersion.replace(/^(networking)\//, "$1.k8s.io/");
  return `kubernetes-models/${group}/${kind}`;
}

async function modelOf(manifest: Manifest) {
  const file = modelFile(manifest);
  const module = (await import(file)) as Record<string, new (data: object) => { validate(): void }>;
  return { file, constructor: module[manifest.kind]! };
}

/** What the compiler says of manifests, written as literals of their types: an unknown key is an error there. */
function typeErrors(manifests: readonly Manifest[]): string[] {
  const name = join(root, "test", "manifests.ts");
  const source = manifests
    .map((manifest, index) => {
      const type = `I${manifest.kind}`;
      return `import type { ${type} as T${index} } from "${modelFile(manifest)}";
        export const m${index}: T${index} = ${JSON.stringify(manifest)};`;
    })
    .join("\n");
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    module: ts.ModuleKind.Preserve,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
  };
  const host = ts.createCompilerHost(options);
  host.fileExists = (file) => file === name || ts.sys.fileExists(file);
  host.readFile = (file) => (file === name ? source : ts.sys.readFile(file));
  const program = ts.createProgram([name], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string; readonly scheme: string };
}

interface PodSpec {
  readonly automountServiceAccountToken: boolean;
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: { runAsNonRoot: boolean; runAsUser: number; seccompProfile: { type: string } };
  readonly containers: readonly [
    {
      readonly image: string;
      readonly args: readonly string[];
      readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
      readonly startupProbe: Probe;
      readonly livenessProbe: Probe;
      readonly readinessProbe: Probe;
      readonly securityContext: object;
      readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
    },
  ];
  readonly volumes: readonly {
    readonly name: string;
    readonly configMap?: { readonly name: string };
    readonly secret?: { readonly secretName: string };
  }[];
}

function podSpec(deployment: unknown): PodSpec {
  return (deployment as { spec: { template: { spec: PodSpec } } }).spec.template.spec;
}

interface GatewayConfig {
  readonly listen: {
    readonly port: number;
    readonly tls: { readonly certificate: string; readonly key: string };
  };
  readonly authority: { readonly certificate: string; readonly key: string };
  readonly api: { readonly port: number; readonly tokenFile: string };
  readonly stopDelay: number;
  readonly dataDir: string;
}

function gatewayConfig(configMap: unknown): GatewayConfig {
  const { data } = configMap as { data: Record<string, string> };
  return JSON.parse(data["onecli.json"]!) as GatewayConfig;
}

/** The files that a pod finds, by their paths, with the ConfigMap or Secret that each is from. */
function mountedFiles(manifests: readonly Manifest[], pod: PodSpec): Map<string, string> {
  const files = new Map<string, string>();
  for (const { name, mountPath } of pod.containers[0].volumeMounts) {
    const volume = pod.volumes.find((candidate) => candidate.name === name);
    const source = volume?.configMap?.name ?? volume?.secret?.secretName;
    if (source === undefined) {
      continue;
    }
    const kind = volume?.configMap === undefined ? "Secret" : "ConfigMap";
    const manifest = manifests.find(
      (candidate) => candidate.kind === kind && candidate.metadata.name === source,
    );
    assert.ok(manifest !== undefined, `${kind} ${source}`);
    const { data, stringData } = manifest as { data?: object; stringData?: object };
    for (const key of Object.keys(data ?? stringData ?? {})) {
      files.set(`${mountPath}/${key}`, source);
    }
  }
  return files;
}

/** The instructions of the stage that becomes the image. */
function lastStage(source: string) {
  const instructions = DockerfileParser.parse(source).getInstructions();
  const start = instructions.findLastIndex((instruction) => instruction.getKeyword() === "FROM");
  const stage = instructions.slice(start);
  const ofKind = (keyword: string) => stage.filter((instruction) => instruction.getKeyword() === keyword);
  return {
    base: (stage[0] as From).getImage(),
    of: (keyword: string) => ofKind(keyword).map((instruction) => instruction.getArgumentsContent() ?? ""),
    json: (keyword: string) =>
      ofKind(keyword).flatMap((instruction) =>
        instruction instanceof JSONInstruction
          ? instruction.getJSONStrings().map((entry) => entry.getJSONValue())
          : [],
      ),
  };
}

/** COPY from another stage, whatever other flags it has. */
function isFromStage(copy: Copy): boolean {
  return copy.getFlags().some((flag) => flag.getName() === "from");
}

/** The folder of the build stage, made of what that copies from its context and built as it says. */
async function buildStage(source: string, folder: string): Promise<string> {
  const file = DockerfileParser.parse(source);
  for (const copy of file.getCOPYs().filter((each) => !isFromStage(each))) {
    for (const name of copy.getArguments().slice(0, -1)) {
      await cp(join(root, name.getValue()), join(folder, name.getValue()), { recursive: true });
    }
  }
  // In the place of "npm ci".
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  const [, command = ""] = /^RUN node (esbuild\.mjs[^&\n]*)/m.exec(source) ?? [];
  const { status, stderr } = await new Program(process.execPath, command.trim().split(" "), {
    env: { PATH: process.env["PATH"] },
    cwd: folder,
  }).ended;
  assert.equal(status, 0, stderr);
  return folder;
}

/** A folder with what the last stage copies, and how it is started. */
async function unpackImage(folder: string, buildFolder: string) {
  const source = await read("Dockerfile");
  const stageFolder = await buildStage(source, buildFolder);
  const stage = lastStage(source);
  const workdir = stage.of("WORKDIR").at(-1)!;
  for (const copy of DockerfileParser.parse(source).getCOPYs().filter(isFromStage)) {
    const paths = copy.getArguments().map((argument) => argument.getValue());
    const target = join(folder, paths.at(-1)!.startsWith("/") ? paths.at(-1)! : workdir);
    await mkdir(target, { recursive: true });
    for (const path of paths.slice(0, -1)) {
      if (path !== "/state") {
        assert.match(path, /^\/src\//);
        await copyFile(join(stageFolder, path.slice("/src".length)), join(target, basename(path)));
      }
    }
  }
  const [node, ...entrypoint] = stage.json("ENTRYPOINT");
  assert.equal(node, "/nodejs/bin/node", "where distroless has it");
  assert.match(stage.base ?? "", /distroless\/nodejs24/);
  const [command] = stage.json("CMD");
  assert.equal(command, "serve");
  const state = stage.json("VOLUME")[0]!;
  const list = async () =>
    (await readdir(folder, { recursive: true })).filter((name) => !`/${name}`.startsWith(`${state}/`)).sort();
  // Root writes wherever it likes: then it has to be the image's own user, where that one can run this Node at all.
  const imageUser = { uid: 65532, gid: 65532 };
  const canBe =
    process.getuid?.() === 0 && spawnSync(process.execPath, ["--version"], imageUser).status === 0;
  const directories = async () =>
    (await readdir(folder, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name));
  return {
    folder,
    entrypoint,
    env: stage.of("ENV").map((entry) => entry.split("=", 2) as [string, string]),
    user: canBe ? imageUser : {},
    list,
    /** Takes the right to write away, but for the state. @returns every path */
    async seal() {
      for (const name of await readdir(folder, { recursive: true })) {
        const path = join(folder, name);
        await chmod(path, (await stat(path)).isDirectory() ? 0o555 : 0o444);
      }
      await chmod(folder, 0o555);
      await chmod(join(folder, state), 0o777);
      return list();
    },
    /** So that it can be removed. */
    async unseal() {
      for (const path of [folder, ...(await directories())]) {
        await chmod(path, 0o755);
      }
    },
  };
}

async function get(port: number, path: string, ca: string, token?: string) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const agent = new Agent({ keepAlive: false });
    request({ port, path, ca, host: "127.0.0.1", agent, headers }, resolve).on("error", reject).end();
  });
  return { status: answer.statusCode, body: await text(answer) };
}
