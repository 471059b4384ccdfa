import { LitElement } from "lit";

/** A component in the page's own tree: one stylesheet serves all of them, and labels can refer to each other. */
export class Light extends LitElement {
  protected override createRenderRoot(): this {
    return this;
  }
}
