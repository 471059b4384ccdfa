import { ParentProxyError } from "../core/parentProxy.ts";
import { type Logger } from "../core/ports.ts";
import { type TrustFiles } from "../core/terminalEnvironment.ts";
import { CertificateAuthority } from "../gateway/certificateAuthority.ts";
import { Gateway, type GatewayOptions } from "../gateway/gateway.ts";
import { machineRoots, writeTrustFiles } from "../gateway/trustBundle.ts";
import { type ServiceAccountToken } from "../core/serviceAccountToken.ts";
import { openAuthority } from "./authorityFolder.ts";
import { type Config, dataDirFault } from "./config.ts";
import { type StoredSecretValues } from "./storedSecretValues.ts";
import { UsageError } from "./usageError.ts";
import { isBeyondLoopback } from "./listen.ts";

/**
 * Starts a gateway as a configuration says.
 * @throws UsageError where the port or the data folder cannot be had, or a value of a
 *   stored secret.
 */
export async function startGateway(
  config: Config,
  token: ServiceAccountToken | undefined,
  values: StoredSecretValues,
  environment: NodeJS.ProcessEnv,
  logger: Logger,
  onQuestion?: GatewayOptions["onQuestion"],
): Promise<{ gateway: Gateway; files: TrustFiles }> {
  const storedSecrets = await values.read(config.storedSecrets, config.file);
  const authority =
    config.authority === undefined
      ? await openAuthority(config)
      : await CertificateAuthority.open(config.authority);
  const roots = machineRoots();
  const extra = config.extraCaCertificates;
  const files = await writeTrustFiles(
    config.dataDir,
    { authority: authority.certificate, extra, roots, environment },
    logger,
  ).catch((error: unknown) => {
    throw dataDirFault(config, error);
  });
  const gateway = await Gateway.start({
    mappings: config.mappings,
    storedSecrets,
    authority,
    trustedRoots: [...roots, ...extra],
    parentProxy: config.parentProxy,
    noProxy: config.noProxy,
    host: config.listen.host,
    port: config.listen.port,
    tls: config.listen.tls,
    agents: config.agents,
    ...(onQuestion !== undefined && { onQuestion }),
    isBeyondLoopback: isBeyondLoopback(config.listen.host),
    logger,
  }).catch((error: unknown) => {
    throw listenFault(error, config) ?? loop(error, config) ?? error;
  });
  if (token !== undefined) {
    logger.info(`1Password: ${token.account}`);
    gateway.connect(gateway.newAccount(token));
  }
  return { gateway, files };
}

function loop(error: unknown, { file, parentProxySource }: Config): UsageError | undefined {
  return error instanceof ParentProxyError
    ? new UsageError(`${file}: ${parentProxySource} ${error.message}`)
    : undefined;
}

function listenFault(error: unknown, { file, listen: { host, port } }: Config): UsageError | undefined {
  switch ((error as NodeJS.ErrnoException).code) {
    case "EADDRINUSE":
      return new UsageError(`${file}: listen.port: port ${port} is in use`);
    case "EACCES":
      return new UsageError(`${file}: listen.port: port ${port} is not allowed for this user`);
    case "EADDRNOTAVAIL":
    case "EAFNOSUPPORT":
      return new UsageError(`${file}: listen.host: ${host} is no address of this machine`);
    default:
      return undefined;
  }
}
