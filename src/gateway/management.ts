// The state of a gateway as the management API asks for it. Who may change it, and how, is its host's affair.
import { type Authority } from "../core/hostname.ts";
import { type Mapping, type MappingInput } from "../core/mapping.ts";
import { type ActivityRecord, type ConnectResult, type ExplainResult } from "../shared/gatewayProtocol.ts";
import {
  type ManagedMapping,
  type Management,
  type ManagementStatus,
  type ManagementWrites,
  type MappingState,
} from "../shared/management.ts";
import { type Gateway } from "./gateway.ts";

export class GatewayManagement implements Management {
  readonly caCertificate: string;
  readonly #gateway: Gateway;
  readonly #writes: ManagementWrites;

  /** @param caCertificate PEM */
  constructor(gateway: Gateway, caCertificate: string, writes: ManagementWrites) {
    this.#gateway = gateway;
    this.caCertificate = caCertificate;
    this.#writes = writes;
  }

  get isStopping(): boolean {
    return this.#gateway.isStopping;
  }

  status(): ManagementStatus {
    const { accountName, endpoint, usesTls } = this.#gateway;
    return { account: accountName, proxyPort: endpoint.port, proxyTls: usesTls };
  }

  mappings(): readonly ManagedMapping[] {
    return this.#gateway.mappings.map((mapping) => ({ ...mapping, state: this.#stateOf(mapping) }));
  }

  testMapping({ reference }: Mapping): Promise<void> {
    return this.#gateway.test(reference);
  }

  explain(authority: Authority, path: string): ExplainResult {
    return this.#gateway.explain(authority, path);
  }

  activity(): readonly ActivityRecord[] {
    return this.#gateway.activity.recent();
  }

  putMapping(mapping: MappingInput): Promise<"added" | "replaced"> {
    return this.#writes.putMapping(mapping);
  }

  deleteMapping(id: string): Promise<void> {
    return this.#writes.deleteMapping(id);
  }

  connect(token: string): Promise<ConnectResult> {
    return this.#writes.connect(token);
  }

  disconnect(): Promise<void> {
    return this.#writes.disconnect();
  }

  #stateOf(mapping: Mapping): MappingState {
    if (!mapping.enabled) {
      return "disabled";
    }
    return this.#gateway.accountName === undefined
      ? "not-connected"
      : (this.#gateway.lastOutcome(mapping) ?? "unused");
  }
}
