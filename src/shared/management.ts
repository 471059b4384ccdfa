// What the management API asks of whoever owns the state: the window of an editor, or the headless program.
import { type ErrorCode } from "../core/errors.ts";
import { type Authority } from "../core/hostname.ts";
import { type Mapping, type MappingInput } from "../core/mapping.ts";
import { type ActivityRecord, type ConnectResult, type ExplainResult } from "./gatewayProtocol.ts";
import { type ServerIdentity } from "./serverIdentity.ts";

/** How a mapping fares; a code is that of its last request. */
export type MappingState = "disabled" | "not-connected" | "unused" | "ok" | ErrorCode;

export interface ManagedMapping extends Mapping {
  readonly state: MappingState;
}

export interface ManagementStatus {
  /** Where the secrets come from, as it is shown to people; absent where nothing is connected. */
  readonly account: string | undefined;
  readonly proxyPort: number;
  /** Whether clients speak TLS to the proxy itself. */
  readonly proxyTls: boolean;
}

/** The changes that the API may ask for. Each throws OneCliError, and then nothing has changed. */
export interface ManagementWrites {
  /** Adds the mapping, or puts it in the place of the one for the same host and path. @throws `denied`, … */
  putMapping(mapping: MappingInput): Promise<"added" | "replaced">;
  /** @param id of a mapping. @throws `denied`, `no-such-mapping`, … */
  deleteMapping(id: string): Promise<void>;
  /** Checks the token against 1Password and uses it from then on. @throws `denied`, `token-invalid`, … */
  connect(token: string): Promise<ConnectResult>;
  disconnect(): Promise<void>;
}

export interface Management extends ManagementWrites {
  /** PEM. */
  readonly caCertificate: string;
  readonly isStopping: boolean;
  status(): ManagementStatus;
  mappings(): readonly ManagedMapping[];
  /** Reads the secret of a mapping afresh, and shows nothing of it. @throws OneCliError as for a request */
  testMapping(mapping: Mapping): Promise<void>;
  /** Which secret a request would get, and why. @param path path and query. */
  explain(authority: Authority, path: string): ExplainResult;
  /** The last records, oldest first. */
  activity(): readonly ActivityRecord[];
}

/** A page beside the API, on the same port: a probe, or metrics. */
export interface ManagementPage {
  /** Asked for by those who neither have the token nor know this machine by a loopback name. */
  readonly isOpen: boolean;
  answer(): Promise<{ readonly status: number; readonly contentType: string; readonly body: string }>;
}

export interface ManagementApiOptions {
  readonly management: Management;
  /** The bearer token, 256 bits. */
  readonly token: string;
  /** 0 for any free one. */
  readonly port: number;
  /** Address to listen on; 127.0.0.1 otherwise. */
  readonly address?: string;
  /** PEM: with it, the API is reached by https. */
  readonly tls?: ServerIdentity | undefined;
  /** What `Host` may name beside this machine's loopback names, without a port. */
  readonly hosts?: readonly string[];
  /** By path. */
  readonly pages?: Readonly<Record<string, ManagementPage>>;
}

export interface ManagementApi {
  readonly port: number;
  /** The certificate that connections to come are shown; without effect on an API without TLS. */
  setIdentity(identity: ServerIdentity): void;
  /** Refuses what is new and ends what is under way. */
  close(): Promise<void>;
}

/** Listens; rejects with Node's error (`EADDRINUSE`) where the port cannot be had. */
export type StartManagementApi = (options: ManagementApiOptions) => Promise<ManagementApi>;
