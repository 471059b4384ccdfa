// What a benchmark's proxies meet: servers with TLS on this machine, and a vault with the one secret.
import { chmod, mkdir, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { TestAuthority } from "../../test/support/certificates.ts";
import { startOnePasswordService } from "../../test/support/onePassword/service.ts";
import { freePort } from "../../test/support/freePort.ts";
import { isInstalled, killPrograms, Program } from "../../test/support/program.ts";

export const secret = "sk-bench-0123456789";
export const reference = "op://API Keys/Bench/api-key";
/** Every server is there. An address needs no name service, which the peers would each ask in their own way. */
export const host = "127.0.0.1";
const answer = JSON.stringify({ text: "x".repeat(189) });

export type World = Awaited<ReturnType<typeof startWorld>>;

export async function startWorld() {
  const folder = await mkdtemp(join(tmpdir(), "onecli-bench-"));
  // Squid gives its rights up, and has to find its files all the same.
  await chmod(folder, 0o755);
  const service = await startOnePasswordService({
    vaults: [
      { title: "API Keys", items: [{ title: "Bench", fields: [{ label: "api-key", value: secret }] }] },
    ],
  });
  const authority = await TestAuthority.create("Bench CA");
  const { key, cert } = await authority.issue({ names: [host] });
  const files = {
    authority: join(folder, "ca.pem"),
    key: join(folder, "key.pem"),
    certificate: join(folder, "cert.pem"),
  };
  await Promise.all([
    writeFile(files.authority, authority.certificate),
    writeFile(files.key, key),
    writeFile(files.certificate, cert),
  ]);
  const ports = await startNginx(folder, files);
  const streams = new Program(
    process.execPath,
    [fileURLToPath(new URL("streamServer.ts", import.meta.url)), files.key, files.certificate],
    { env: process.env },
  );
  const [line] = await streams.said("stdout", /^.*\n/);
  const origin = (port: number) => `https://${host}:${port}`;
  return {
    folder,
    service,
    files,
    origins: {
      /** HTTP/1.1: an answer of 200 bytes, and files of any {@link World.size}. */
      http1: origin(ports.http1),
      /** The same by HTTP/2 too. */
      http2: origin(ports.http2),
      /** No secret belongs to it. */
      unmapped: origin(ports.unmapped),
      /** Uploads, events, WebSockets. */
      streams: origin(z.object({ port: z.number() }).parse(JSON.parse(line)).port),
    },
    /** A file that the servers have under this path. @param size bytes */
    async file(size: number): Promise<{ path: string; file: string }> {
      const file = join(folder, "files", String(size));
      const handle = await open(file, "a");
      await handle.truncate(size);
      await handle.close();
      return { path: `/files/${size}`, file };
    },
    /** A folder of a proxy's own. */
    newFolder(name: string): Promise<string> {
      return mkdtemp(join(folder, `${name}-`));
    },
    async stop(): Promise<void> {
      await killPrograms();
      await service.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startNginx(folder: string, files: { key: string; certificate: string }) {
  if (!(await isInstalled("nginx"))) {
    throw new Error("nginx, which is the server of every figure, is missing: apt-get install nginx-light");
  }
  const ports = { http1: await freePort(), http2: await freePort(), unmapped: await freePort() };
  const server = (listen: string) => `server {
    listen ${host}:${listen}; ssl_certificate ${files.certificate}; ssl_certificate_key ${files.key};
    root ${folder};
    location = / { default_type application/json; return 200 '${answer}'; }
    location /files/ { default_type application/octet-stream; }
  }`;
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
    .join(" ");
  await mkdir(join(folder, "files"));
  await writeFile(
    join(folder, "nginx.conf"),
    `daemon off; pid ${folder}/nginx.pid; error_log stderr error; worker_processes 1;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; http2_max_concurrent_streams 10000;
  ${temporary}
  ${server(`${ports.http1} ssl`)}
  ${server(`${ports.http2} ssl http2`)}
  ${server(`${ports.unmapped} ssl`)}
}
`,
  );
  new Program("nginx", ["-p", folder, "-c", join(folder, "nginx.conf")], { env: process.env });
  return ports;
}
