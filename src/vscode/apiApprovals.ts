import type { Memento } from "vscode";
import * as z from "zod";
import { type MappingInput, mappingSchema } from "../core/mapping.ts";

const stateKey = "onecli.apiApprovals";

/** By mapping id: what was approved, and whether it is mapped at the moment. */
const approvalsSchema = z.record(
  z.string(),
  z.strictObject({ mapping: mappingSchema, isMapped: z.boolean() }),
);
type Approvals = z.infer<typeof approvalsSchema>;

/**
 * The mappings of a workspace to which "always" was said, word for word. Not only their hosts: with another reference, any
 * secret of the vault could be sent there; with another rule, into a field that the host echoes.
 */
export class ApiApprovals {
  readonly #state: Memento;

  constructor(state: Memento) {
    this.#state = state;
  }

  covers(id: string, mapping: MappingInput): boolean {
    return isSame(this.#approvals[id]?.mapping, mapping);
  }

  /** It is mapped now, and may be put back whenever a program has removed it. */
  async remember(id: string, mapping: MappingInput): Promise<void> {
    await this.#store({ ...this.#approvals, [id]: { mapping, isMapped: true } });
  }

  /** A program removes it, and not the person: it stays approved. */
  async expectRemoval(id: string): Promise<void> {
    const approvals = this.#approvals;
    const approval = approvals[id];
    if (approval !== undefined) {
      await this.#store({ ...approvals, [id]: { ...approval, isMapped: false } });
    }
  }

  /** What the person has changed or removed is not approved any more. */
  async keepUnchanged(mappingOf: (id: string) => MappingInput | undefined): Promise<void> {
    const approvals = this.#approvals;
    const kept = Object.entries(approvals).filter(
      ([id, { mapping, isMapped }]) => !isMapped || isSame(mappingOf(id), mapping),
    );
    if (kept.length < Object.keys(approvals).length) {
      await this.#store(Object.fromEntries(kept));
    }
  }

  get #approvals(): Approvals {
    return approvalsSchema.catch({}).parse(this.#state.get(stateKey));
  }

  async #store(approvals: Approvals): Promise<void> {
    await this.#state.update(stateKey, approvals);
  }
}

function isSame(a: MappingInput | undefined, b: MappingInput): boolean {
  const text = ({ hostname, path, reference, rule, enabled }: MappingInput) =>
    JSON.stringify([hostname, path, reference, rule, enabled ?? true]);
  return a !== undefined && text(a) === text(b);
}
