// Other proxies, each set up to do the same: read the requests, and set the header.
import { chmod, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { createAuthority } from "../../src/gateway/certificateAuthority.ts";
import { freePort } from "../../test/support/freePort.ts";
import { isInstalled, Program } from "../../test/support/program.ts";
import { host, secret, type World } from "../support/world.ts";
import { type Contender, scriptFile, type Started, startedAt } from "./contender.ts";

const env = { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin`, HOME: "/nonexistent" };

/** Nobody: what the figures would be without a proxy. */
export const direct: Contender = {
  name: "no proxy",
  http2: true,
  start: () => Promise.resolve({ proxy: undefined, pid: undefined }),
};

export const lowerBound: Contender = {
  name: "lower bound",
  start: ({ files }) => {
    const { key, certificate, authority } = files;
    const script = scriptFile("lowerBoundRelay.ts");
    return startedAt(new Program(process.execPath, [script, key, certificate, authority, secret], { env }));
  },
};

export const proxyChain: Contender = {
  name: "proxy-chain, plain",
  tunnelsOnly: true,
  start: () => startedAt(new Program(process.execPath, [scriptFile("plainProxyChain.ts")], { env })),
};

export const mockttp: Contender = {
  name: "mockttp",
  http2: true,
  missing: missingPackage("mockttp"),
  start: (world) => startScript(world, "mockttpProxy.mjs"),
};

export const httpMitmProxy: Contender = {
  name: "http-mitm-proxy",
  missing: missingPackage("http-mitm-proxy"),
  start: (world) => startScript(world, "httpMitmProxy.mjs"),
};

export const mitmproxy: Contender = {
  name: "mitmproxy",
  http2: true,
  missing: missingCommand("mitmdump", "mitmproxy"),
  start: async (world) => {
    const folder = await world.newFolder("mitmproxy");
    const port = await freePort();
    const settings = {
      confdir: folder,
      ssl_verify_upstream_trusted_ca: world.files.authority,
      // Without it, bodies are kept whole.
      stream_large_bodies: "1",
    };
    const program = new Program(
      "mitmdump",
      [
        "--quiet",
        "--listen-host",
        host,
        "--listen-port",
        String(port),
        "--modify-headers",
        `/~q/Authorization/Bearer ${secret}`,
        ...Object.entries(settings).flatMap(([name, value]) => ["--set", `${name}=${value}`]),
      ],
      { env },
    );
    return listening(program, port);
  },
};

export const squid: Contender = {
  name: "Squid ssl-bump",
  missing: missingCommand("squid", "squid-openssl"),
  start: async (world) => {
    const folder = await world.newFolder("squid");
    await chmod(folder, 0o777);
    const port = await freePort();
    const files = await writeAuthority(folder);
    const helper = "/usr/lib/squid/security_file_certgen";
    const certificates = join(folder, "certificates");
    await new Program(helper, ["-c", "-s", certificates, "-M", "4MB"], { env }).ended;
    await new Program("chmod", ["-R", "a+rwX", certificates], { env }).ended;
    await writeFile(
      join(folder, "squid.conf"),
      `http_port ${host}:${port} ssl-bump cert=${files.certificate} key=${files.key} generate-host-certificates=on dynamic_cert_mem_cache_size=4MB
sslcrtd_program ${helper} -s ${certificates} -M 4MB
sslcrtd_children 2
acl everybody src all
ssl_bump bump everybody
http_access allow everybody
http_upgrade_request_protocols websocket allow all
request_header_access Authorization deny all
request_header_add Authorization "Bearer ${secret}" everybody
tls_outgoing_options cafile=${world.files.authority}
cache deny all
access_log none
cache_log ${join(folder, "cache.log")}
pid_filename none
coredump_dir ${folder}
shutdown_lifetime 0 seconds
`,
    );
    return listening(new Program("squid", ["-N", "-f", join(folder, "squid.conf")], { env }), port);
  },
};

async function startScript(world: World, name: string): Promise<Started> {
  const folder = await world.newFolder(name);
  const files = await writeAuthority(folder);
  const args = [scriptFile(name), files.key, files.certificate, world.files.authority, secret, folder];
  return startedAt(new Program(process.execPath, args, { env }));
}

/** A certificate authority for a proxy to sign with. */
async function writeAuthority(folder: string): Promise<{ key: string; certificate: string }> {
  const { privateKey, certificate } = await createAuthority();
  const files = { key: join(folder, "ca-key.pem"), certificate: join(folder, "ca.pem") };
  await Promise.all([writeFile(files.key, privateKey), writeFile(files.certificate, certificate)]);
  return files;
}

/** Fulfilled when a connection is taken: these programs do not say when they are ready. */
async function listening(program: Program, port: number): Promise<Started> {
  for (;;) {
    if (program.child.exitCode !== null) {
      throw new Error(`${program.child.spawnfile} has ended: ${program.stdout}${program.stderr}`);
    }
    const socket = connect(port, host);
    const taken = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (taken) {
      return { proxy: new URL(`http://${host}:${port}`), pid: program.child.pid! };
    }
  }
}

function missingCommand(command: string, debianPackage: string) {
  return async (): Promise<string | undefined> =>
    (await isInstalled(command)) ? undefined : `apt-get install ${debianPackage}`;
}

function missingPackage(name: string) {
  return (): Promise<string | undefined> => {
    try {
      createRequire(import.meta.url).resolve(name);
      return Promise.resolve(undefined);
    } catch {
      return Promise.resolve("npm ci --prefix bench");
    }
  };
}
