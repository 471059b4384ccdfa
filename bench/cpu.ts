// npm run bench:cpu: CPU time of the gateway per intercepted keep-alive request, with authentication, cache, injection
// and activity on. Upstream nginx with TLS, client wrk through proxychains4. CPU is utime + stime of the process from
// /proc, so Linux only; compare figures of one machine and one run.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AddressInfo, createServer } from "node:net";
import { z } from "zod";
import { TestAuthority } from "../test/support/certificates.ts";
import { gatewayFile } from "../test/support/gatewayThread.ts";
import { LeadingProxy } from "../test/support/leadingProxy.ts";
import { startOnePasswordService } from "../test/support/onePassword/service.ts";

const host = "api.openai.com";
const secondsPerRun = 5;
/** Clock ticks per second in /proc (USER_HZ), fixed at 100 on Linux. */
const ticksPerSecond = 100;
const connectionCounts = [1, 32];
const rounds = 3;

const serving = z.object({ proxy: z.url(), ca: z.string() });

const folder = await mkdtemp(join(tmpdir(), "onecli-bench-"));
const children: ChildProcess[] = [];
const service = await startOnePasswordService({
  vaults: [
    { title: "API Keys", items: [{ title: "OpenAI", fields: [{ label: "api-key", value: "sk-bench" }] }] },
  ],
});
const parent = await LeadingProxy.start();
try {
  const port = await startNginx();
  parent.routes.set(`${host}:443`, port);
  const { child, proxy } = await startGateway();
  for (const connections of connectionCounts) {
    for (let round = 1; round <= rounds; round++) {
      await measure(child, proxy, connections, round);
    }
  }
} finally {
  children.forEach((child) => child.kill());
  await Promise.all([service.close(), parent.close()]);
  await rm(folder, { recursive: true });
}

async function startNginx(): Promise<number> {
  const authority = await TestAuthority.create("Bench CA");
  const { key, cert } = await authority.issue({ names: [host] });
  const port = await freePort();
  await Promise.all([
    writeFile(join(folder, "ca.pem"), authority.certificate),
    writeFile(join(folder, "key.pem"), key),
    writeFile(join(folder, "cert.pem"), cert),
    writeFile(
      join(folder, "nginx.conf"),
      `daemon off; pid ${folder}/nginx.pid; error_log stderr error; worker_processes 1;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 100000000; client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${port} ssl; ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;
    location / { default_type application/json; return 200 '${JSON.stringify({ text: "x".repeat(189) })}'; }
  }
}
`,
    ),
  ]);
  start("nginx", ["-p", folder, "-c", join(folder, "nginx.conf")]);
  return port;
}

async function startGateway(): Promise<{ child: ChildProcess; proxy: URL }> {
  const config = join(folder, "onecli.json");
  await writeFile(
    config,
    JSON.stringify({
      mappings: [{ hostname: host, reference: "op://API Keys/OpenAI/api-key" }],
      parentProxy: parent.url,
      extraCaCertificates: ["ca.pem"],
      dataDir: "state",
    }),
  );
  const child = start(process.execPath, [gatewayFile, "serve", "--config", config], {
    ...process.env,
    OP_SERVICE_ACCOUNT_TOKEN: service.token,
  });
  for await (const line of createInterface({ input: child.stdout! })) {
    return { child, proxy: new URL(serving.parse(JSON.parse(line)).proxy) };
  }
  throw new Error("the gateway did not start");
}

async function measure(gateway: ChildProcess, proxy: URL, connections: number, round: number): Promise<void> {
  const config = join(folder, "proxychains.conf");
  await writeFile(
    config,
    `strict_chain\nquiet_mode\nproxy_dns\n[ProxyList]\nhttp 127.0.0.1 ${proxy.port} ${proxy.username} ${proxy.password}\n`,
  );
  const before = await cpuTicks(gateway);
  const wrk = start("proxychains4", [
    "-f",
    config,
    "wrk",
    "--latency",
    "-t1",
    `-c${connections}`,
    `-d${secondsPerRun}s`,
    `https://${host}/`,
  ]);
  let output = "";
  wrk.stdout!.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await once(wrk, "close");
  const ticks = (await cpuTicks(gateway)) - before;
  const requests = Number(/(\d+) requests in/.exec(output)?.[1] ?? 0);
  const perSecond = /Requests\/sec:\s+([\d.]+)/.exec(output)?.[1] ?? "?";
  const p50 = /50%\s+(\S+)/.exec(output)?.[1] ?? "?";
  if (requests === 0 || /Non-2xx/.test(output)) {
    throw new Error(`the load did not run: ${output}`);
  }
  const micros = (ticks / ticksPerSecond / requests) * 1e6;
  console.log(
    `round ${round}, ${connections} connection(s): ${micros.toFixed(1)} µs CPU per request, ${perSecond} requests/s, p50 ${p50}`,
  );
}

function start(command: string, args: readonly string[], env = process.env): ChildProcess {
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  child.once("error", () => {
    console.error(`${command} is missing: apt-get install nginx-light wrk proxychains4`);
    process.exit(1);
  });
  children.push(child);
  return child;
}

/** utime + stime, fields 14 and 15 of /proc/PID/stat. */
async function cpuTicks({ pid }: ChildProcess): Promise<number> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
